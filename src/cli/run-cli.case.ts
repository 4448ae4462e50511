import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { onTestFinished } from "vitest";

/** Runs the command line as users do, in a process of its own, with an environment of its own. */

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunCliOptions {
  readonly input?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the running process. */
  during?(child: ChildProcess): void;
}

const main = path.join(path.dirname(fileURLToPath(import.meta.url)), "main.ts");
const loader = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

export async function runCli(args: readonly string[], options: RunCliOptions = {}): Promise<Ran> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(QUIRE_|OPENAI_|NO_COLOR|FORCE_COLOR|VITEST|NODE_OPTIONS)/.test(name),
  );
  const child = spawn(process.execPath, ["--import", loader, main, ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: { ...Object.fromEntries(kept), ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  options.during?.(child);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { code, stdout, stderr };
}

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "quire-cli-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
