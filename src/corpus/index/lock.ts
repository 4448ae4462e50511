/** One writer at a time in an index folder, across processes. The lock is a file that names its holder; it is stale when that
 *  process is gone (same machine) or has not touched it for two minutes (another machine). */

import { randomUUID } from "node:crypto";
import { open, readFile, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { QuireError, throwIfAborted } from "../../errors.js";
import { diskError } from "../file-problem.js";

export interface LockOptions {
  /** Wait for the holder, or fail at once with a `locked` error. */
  whenLocked: "wait" | "fail";
  signal?: AbortSignal;
  /** Called once when waiting begins. */
  onWait?(holder: string): void;
}

export interface Lock {
  release(): Promise<void>;
}

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When the process began, where the system tells: numbers of processes are used again. */
  readonly processStart: string | undefined;
  readonly token: string;
}

const lockName = "lock";
const touchEveryMs = 10_000;
const staleAfterMs = 120_000;
const pollMs = 150;

/** Tokens of the locks that this process holds or has released: a file with our own number but another token is from an earlier
 *  process. Released ones stay in it: a file read a moment ago must not be taken for stale when it is gone by now. */
const ours = new Set<string>();

export async function acquireLock(folder: string, { whenLocked, signal, onWait }: LockOptions): Promise<Lock> {
  const path = join(folder, lockName);
  let told = false;
  for (;;) {
    throwIfAborted(signal);
    const lock = await tryToTake(path);
    if (lock !== undefined) return lock;
    const holder = await readHolder(path);
    if (await isStale(path, holder)) {
      await removeStale(path);
      continue;
    }
    const who = holder === undefined ? "another process" : `process ${holder.pid} on ${holder.host}`;
    if (whenLocked === "fail") {
      throw new QuireError("locked", `The index in ${folder} is being written by ${who}.`, {
        got: holder?.pid,
        expected: "one writer at a time",
        fix: "Wait until it is done, or stop it.",
      });
    }
    if (!told) onWait?.(who);
    told = true;
    await sleep(pollMs, undefined, { signal }).catch(() => throwIfAborted(signal));
  }
}

async function tryToTake(path: string): Promise<Lock | undefined> {
  const token = randomUUID();
  const holder: Holder = { pid: process.pid, host: hostname(), processStart: await processStart(process.pid), token };
  try {
    const file = await open(path, "wx");
    ours.add(token);
    await file.writeFile(JSON.stringify(holder)).finally(() => file.close());
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return undefined;
    if (ours.delete(token)) await rm(path, { force: true }).catch(() => undefined);
    throw diskError(`The lock ${path} cannot be written`, cause);
  }
  const touching = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), touchEveryMs);
  touching.unref();
  return {
    async release() {
      clearInterval(touching);
      if ((await readHolder(path))?.token !== token) return;
      // What cannot be removed must count as stale, or nobody could ever write again.
      await rm(path, { force: true }).catch(() => ours.delete(token));
    },
  };
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const holder = JSON.parse(await readFile(path, "utf8")) as Holder;
    return typeof holder?.pid === "number" ? holder : undefined;
  } catch {
    return undefined;
  }
}

async function isStale(path: string, holder: Holder | undefined): Promise<boolean> {
  if (holder === undefined || holder.host !== hostname()) {
    // Just being written by its maker, or of another machine: only its age can tell.
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    return age > (holder === undefined ? 10_000 : staleAfterMs);
  }
  if (holder.pid === process.pid) return !ours.has(holder.token);
  if (!isRunning(holder.pid)) return true;
  const start = await processStart(holder.pid);
  return start !== undefined && holder.processStart !== undefined && start !== holder.processStart;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function processStart(pid: number): Promise<string | undefined> {
  const line = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The name in parentheses may hold anything; the start time is the 20th field after it.
  return line.slice(line.lastIndexOf(")") + 2).split(" ")[19];
}

/** Two that wait must not remove each other's new lock, so the removal has a lock of its own, and looks again under it. */
async function removeStale(path: string): Promise<void> {
  const guard = `${path}.removal`;
  try {
    await (await open(guard, "wx")).close();
  } catch {
    const { mtimeMs } = await stat(guard).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > 10_000) await rm(guard, { force: true });
    await sleep(pollMs);
    return;
  }
  try {
    if (await isStale(path, await readHolder(path))) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}
