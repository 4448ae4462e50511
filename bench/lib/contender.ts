import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A contender is a file that exports `contender`. It runs in a process of its own, so that two copies of a native library never
 *  meet and one side's garbage is not collected on the other's time. */

export interface Contender<Load, Task, Result> {
  /** Loads the model and gives the versions of what it uses. */
  load(options: Load): Promise<Record<string, string>>;
  run(task: Task): Promise<Result>;
  close(): Promise<void>;
}

export interface ContenderSpec<Load> {
  readonly name: string;
  readonly module: URL;
  readonly load: Load;
}

export interface RunningContender<Task, Result> {
  readonly name: string;
  readonly versions: Record<string, string>;
  run(task: Task): Promise<Result>;
  close(): Promise<void>;
}

export type Call = { readonly call: "load" | "run" | "close"; readonly argument?: unknown };
export type Answer = { readonly value?: unknown; readonly error?: string };

export async function startContender<Load, Task, Result>(
  spec: ContenderSpec<Load>,
): Promise<RunningContender<Task, Result>> {
  const child = fork(fileURLToPath(new URL("./contender-process.ts", import.meta.url)), [spec.module.href], {
    execArgv: ["--import", import.meta.resolve("tsx")],
    serialization: "advanced",
    // What a library prints must not end up among our results.
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const call = async (name: Call["call"], argument?: unknown): Promise<unknown> => {
    const reply = nextAnswer(child, spec.name);
    child.send({ call: name, argument } satisfies Call);
    const { value, error } = await reply;
    if (error !== undefined) throw new Error(`${spec.name}: ${error}`);
    return value;
  };
  try {
    const versions = (await call("load", spec.load)) as Record<string, string>;
    return {
      name: spec.name,
      versions,
      run: async (task) => (await call("run", task)) as Result,
      close: async () => {
        await call("close").finally(() => child.kill());
      },
    };
  } catch (error) {
    child.kill();
    throw error;
  }
}

function nextAnswer(child: ChildProcess, name: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null, signal: string | null) =>
      reject(new Error(`${name}: the process ended (${signal ?? `code ${code}`}).`));
    child.once("exit", ended);
    child.once("message", (answer: Answer) => {
      child.off("exit", ended);
      resolve(answer);
    });
  });
}
