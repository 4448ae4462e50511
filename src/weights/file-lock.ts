import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { throwIfAborted } from "../errors.js";
import { writingError } from "./atomic-file.js";

/** A lock between processes: a file that only one can create. Who holds it touches it from time to time; it counts as left
 *  behind when its process is gone, or, where that cannot be seen (another machine, another container), after two minutes
 *  without a touch. */

export interface LockOptions {
  readonly signal?: AbortSignal;
  /** Called once when the lock is held by someone else. */
  readonly onWait?: (holder: string) => void;
}

const touchMs = 10_000;
const staleMs = 120_000;

interface Holder {
  readonly token: string;
  readonly pid: number;
  readonly host: string;
}

export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const token = await acquire(path, options);
  const touching = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, touchMs);
  touching.unref();
  try {
    return await work();
  } finally {
    clearInterval(touching);
    await release(path, token);
  }
}

async function acquire(path: string, { signal, onWait }: LockOptions): Promise<string> {
  const holder: Holder = { token: randomUUID(), pid: process.pid, host: hostname() };
  for (let waited = 0; ; waited++) {
    throwIfAborted(signal);
    if (await create(path, holder)) return holder.token;
    const other = await readHolder(path);
    if (await isLeftBehind(path, other)) {
      await removeLeftBehind(path, other);
      continue;
    }
    if (waited === 0) onWait?.(other ? `process ${other.pid} on ${other.host}` : "another process");
    await sleep(Math.min(1000, 50 * 2 ** Math.min(waited, 5)), undefined, { signal }).catch(() => undefined);
  }
}

async function create(path: string, holder: Holder): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    try {
      await file.writeFile(JSON.stringify(holder));
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw writingError(path, error);
  }
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const value = JSON.parse(await readFile(path, "utf8")) as Partial<Holder>;
    const whole = typeof value.token === "string" && typeof value.pid === "number" && typeof value.host === "string";
    return whole ? (value as Holder) : undefined;
  } catch {
    return undefined;
  }
}

async function isLeftBehind(path: string, holder: Holder | undefined): Promise<boolean> {
  if (holder && holder.host === hostname() && !isAlive(holder.pid)) return true;
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > staleMs;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Between looking and removing another process may have done the same and taken the lock anew; so the file is moved aside
 *  first, looked at again, and put back if it is not the one that was judged. */
async function removeLeftBehind(path: string, judged: Holder | undefined): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await readHolder(aside);
  if (moved?.token === judged?.token) await rm(aside, { force: true });
  else await rename(aside, path).catch(() => undefined);
}

async function release(path: string, token: string): Promise<void> {
  const holder = await readHolder(path);
  if (holder?.token === token) await rm(path, { force: true });
}
