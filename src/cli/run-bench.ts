import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { QuireError } from "../errors.js";
import { packageRoot } from "./package-root.js";

/** Benches lie in the repository, beside the source: they compare with other programs that the package does not carry. They run in
 *  a process of their own, so that nothing the command line did disturbs the measure. */
export async function runBench(args: readonly string[], signal: AbortSignal): Promise<void> {
  const script = path.join(packageRoot, "bench", "run.ts");
  const loader = existsSync(script) ? typescriptLoader() : undefined;
  if (loader === undefined) {
    throw new QuireError("unsupported", "Benches live in the repository, and this is the installed package.", {
      got: packageRoot,
      expected: "a clone of the repository, with its development packages installed",
      fix: "Clone the repository, run npm install there, then npx quire bench.",
    });
  }
  const child = spawn(process.execPath, ["--import", loader, script, ...args], { stdio: "inherit" });
  // A terminal sends Ctrl-C to both; a signal that was sent to this process alone is passed on.
  const stop = (): void => void child.kill("SIGINT");
  signal.addEventListener("abort", stop, { once: true });
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, ended) => resolve(status ?? (ended === "SIGINT" ? 130 : 1)));
  });
  process.exitCode = signal.aborted ? 130 : code;
}

function typescriptLoader(): string | undefined {
  try {
    return pathToFileURL(createRequire(path.join(packageRoot, "package.json")).resolve("tsx")).href;
  } catch {
    return undefined;
  }
}
