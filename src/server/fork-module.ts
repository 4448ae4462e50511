import { type ChildProcess, type ForkOptions, fork } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Starts a module of this package as a process of its own, from the built files or from the sources. Data goes over as structured
 *  clones; what it says on stderr can be read by whoever started it. */
export function forkModule(folder: string, name: string, options: Pick<ForkOptions, "env"> = {}): ChildProcess {
  const fromSource = folder.endsWith(".ts");
  const entry = fileURLToPath(new URL(`./${name}.${fromSource ? "ts" : "js"}`, folder));
  return fork(entry, [], {
    ...options,
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    execArgv: fromSource ? ["--import", typescriptLoader()] : [],
  });
}

function typescriptLoader(): string {
  return pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
}
