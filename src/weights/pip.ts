import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { QuireError, throwIfAborted } from "../errors.js";

/** Fetching a package's wheel by the user's own pip, which knows the user's index, mirror, proxy and certificates. */

interface Command {
  readonly program: string;
  readonly before: readonly string[];
}

const candidates: readonly Command[] = [
  { program: "python3", before: ["-m", "pip"] },
  { program: "python", before: ["-m", "pip"] },
  { program: "py", before: ["-m", "pip"] },
  { program: "pip3", before: [] },
  { program: "pip", before: [] },
];

export async function findPip(signal?: AbortSignal): Promise<Command> {
  for (const candidate of candidates) {
    throwIfAborted(signal);
    const { status } = await run(candidate, ["--version"], { signal });
    if (status === 0) return candidate;
  }
  throw new QuireError("unsupported", "No pip was found, which fetches model files from the Python index.", {
    got: "none of python3 -m pip, python -m pip, py -m pip, pip3, pip",
    fix: "Install Python with pip, or download a .gguf file elsewhere and give its path.",
  });
}

export interface PipDownload {
  readonly pip: Command;
  readonly name: string;
  readonly version: string;
  /** An empty folder of its own, on the disk where the model will lie. */
  readonly folder: string;
  readonly signal?: AbortSignal;
  /** Called now and then with how much has arrived. */
  readonly onBytes?: (bytes: number) => void;
}

/** Returns the path of the wheel. */
export async function pipDownload({ pip, name, version, folder, signal, onBytes }: PipDownload): Promise<string> {
  const destination = join(folder, "wheel");
  const temporary = join(folder, "tmp");
  await mkdir(destination, { recursive: true });
  await mkdir(temporary, { recursive: true });
  const wish = [`${name}==${version}`, "--no-deps", "--only-binary=:all:", "--ignore-requires-python"];
  const quiet = ["--no-input", "--no-cache-dir", "--progress-bar", "off", "--quiet", "--retries", "2"];
  const watching = setInterval(() => {
    void sizeOfTree(folder).then(onBytes);
  }, 250);
  try {
    // pip keeps what is arriving in the temporary folder; having it here lets the progress be seen and spares a copy.
    const env = { ...process.env, TMPDIR: temporary, TEMP: temporary, TMP: temporary, PIP_REQUIRE_VIRTUALENV: "0" };
    const args = ["download", ...wish, ...quiet, "--dest", destination];
    const { status, errors } = await run(pip, args, { signal, env });
    if (status !== 0) throw pipError(name, version, errors);
  } finally {
    clearInterval(watching);
  }
  const [wheel] = (await readdir(destination)).filter((file) => file.endsWith(".whl"));
  if (wheel === undefined) throw pipError(name, version, "it left no wheel");
  return join(destination, wheel);
}

function pipError(name: string, version: string, errors: string): QuireError {
  if (/no space left on device|errno 28/i.test(errors)) {
    return new QuireError("disk", `${name} could not be fetched: the disk is full.`, {
      fix: "Free some space, or set QUIRE_CACHE to a folder on another disk.",
    });
  }
  const last =
    errors
      .trim()
      .split("\n")
      .filter((line) => /error/i.test(line))
      .at(-1) ?? errors.trim().slice(-300);
  return new QuireError(
    "network",
    `pip could not fetch ${name} ${version}: ${last.replace(/^ERROR:\s*/i, "").slice(0, 300)}`,
    {
      got: errors.trim().slice(-2000),
      fix: "Check the network and pip's settings (`pip config list`).",
    },
  );
}

async function run(
  command: Command,
  args: readonly string[],
  { signal, env }: { signal?: AbortSignal; env?: NodeJS.ProcessEnv },
): Promise<{ status: number | undefined; errors: string }> {
  const child = spawn(command.program, [...command.before, ...args], { env, stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-20_000);
  });
  const stop = () => end(child);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const status = await new Promise<number | undefined>((resolve) => {
      child.once("error", () => resolve(undefined));
      child.once("close", (code) => resolve(code ?? undefined));
    });
    throwIfAborted(signal);
    return { status, errors };
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function end(child: ChildProcess): void {
  child.kill("SIGTERM");
  setTimeout(() => child.kill("SIGKILL"), 3000).unref();
}

async function sizeOfTree(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += await sizeOfTree(path);
    else bytes += (await stat(path).catch(() => undefined))?.size ?? 0;
  }
  return bytes;
}
