import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, rename, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { QuireError, throwIfAborted } from "../errors.js";
import { writingError } from "./atomic-file.js";
import { type LockOptions, withLock } from "./file-lock.js";
import { needSpace } from "./free-space.js";
import { Interrupted, type Opened, openUrl } from "./http-open.js";
import { discardPart, readPart, writePartNote } from "./part-file.js";
import { feed, gitSha1OfFile, isWhole } from "./sha256.js";

/** Fetches one file: into FILE.part, continued where an earlier run stopped, verified by size and hash, then renamed into
 *  place. Passing failures are tried again with growing pauses; one process fetches a file at a time, others wait for it. */

export interface DownloadProgress {
  readonly file: string;
  readonly receivedBytes: number;
  /** Unknown where the server does not say. */
  readonly totalBytes: number | undefined;
}

export interface DownloadOptions extends LockOptions {
  /** Sent to the first host only as far as authorization goes. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What the file must be. Without a hash here, the one the hub names in its answer is used. */
  readonly sizeBytes?: number;
  readonly sha256?: string;
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Tries after the first that bring nothing new (5), and the pause before the first of them (500 ms, doubling). */
  readonly retries?: number;
  readonly pauseMs?: number;
  readonly silenceMs?: number;
}

export interface Downloaded {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** What the content was held against: a hash known beforehand, the hub's own, or its length alone. */
  readonly verifiedBy: "known-sha256" | "hub-sha256" | "hub-git-sha1" | "size";
}

/** A try that moved the file on by this much starts the count of tries anew. */
const worthwhileBytes = 2 ** 20;

export async function downloadFile(url: string, path: string, options: DownloadOptions = {}): Promise<Downloaded> {
  await mkdir(dirname(path), { recursive: true }).catch((error: unknown) => {
    throw writingError(path, error);
  });
  return withLock(`${path}.lock`, options, async () => {
    const { sizeBytes, sha256 } = options;
    if (sizeBytes !== undefined && sha256 !== undefined && (await isWhole(path, sizeBytes, sha256))) {
      return { path, sizeBytes, sha256, verifiedBy: "known-sha256" };
    }
    return tryUntilDone(url, path, options);
  });
}

async function tryUntilDone(url: string, path: string, options: DownloadOptions): Promise<Downloaded> {
  const { retries = 5, pauseMs = 500, signal } = options;
  for (let failures = 0; ; ) {
    const before = await sizeOf(`${path}.part`);
    try {
      return await tryOnce(url, path, options);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      const received = await sizeOf(`${path}.part`);
      failures = received - before >= worthwhileBytes ? 1 : failures + 1;
      // A host that never answered will hardly do so now, and there may be another source.
      if (failures > (error.details.answered ? retries : Math.min(1, retries))) throw givenUp(error, received);
      const pause = error.details.waitMs ?? pauseMs * 2 ** (failures - 1) * (0.75 + Math.random() / 2);
      await sleep(Math.min(pause, 30_000), undefined, { signal }).catch(() => undefined);
      throwIfAborted(signal);
    }
  }
}

function givenUp(error: Interrupted, receivedBytes: number): QuireError {
  return new QuireError("network", `The download failed: ${error.message}.`, {
    fix: "Check the network and try again: what has arrived is kept, and the next try goes on from there.",
    partial: { receivedBytes },
    cause: error,
  });
}

async function tryOnce(url: string, path: string, options: DownloadOptions): Promise<Downloaded> {
  const part = await readPart(path, url, options.sha256);
  const resume: Record<string, string> = part.bytes > 0 ? { range: `bytes=${part.bytes}-` } : {};
  if (part.bytes > 0 && part.etag !== undefined) resume["if-range"] = part.etag;
  const opened = await openUrl(url, { ...options, headers: { ...options.headers, ...resume } });
  try {
    const start = await startOf(opened, part.bytes, path, url);
    const total = totalOf(opened, start);
    const sha256 = options.sha256 ?? opened.promised.sha256;
    await refuseOther(opened, total, path, options);
    await writePartNote(path, { url, etag: strongEtag(opened.headers), sha256, totalBytes: total });
    if (total !== undefined) await needSpace(dirname(path), total - start, basename(path));
    const got = await receive(opened, path, { start, total, options });
    return await finish(path, got, { sha256, gitSha1: opened.promised.gitSha1, resumed: start > 0, options });
  } finally {
    opened.cancel();
  }
}

/** Where in the file the answer begins; throws for answers that are no file. */
async function startOf({ status, headers }: Opened, have: number, path: string, url: string): Promise<number> {
  const host = new URL(url).host;
  if (status === 200) return 0;
  if (status === 206 && have > 0) {
    if (headers.get("content-range")?.startsWith(`bytes ${have}-`)) return have;
    await discardPart(path);
    throw new Interrupted(`${host} sent another part than asked for`, { answered: true, waitMs: 0 });
  }
  if (status === 416 && have > 0) {
    await discardPart(path);
    throw new Interrupted(`${host} has no more of the file`, { answered: true, waitMs: 0 });
  }
  if (status === 401 || status === 403) {
    throw new QuireError("network", `${host} does not give ${basename(path)} without permission (${status}).`, {
      got: status,
      fix: "Accept the model's licence on its page and set HF_TOKEN to an access token of yours.",
    });
  }
  if (status === 404 || status === 410) {
    throw new QuireError("not-found", `${host} has no ${basename(path)} (${status}).`, { got: url });
  }
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    const seconds = Number(headers.get("retry-after") ?? Number.NaN);
    const waitMs = Number.isFinite(seconds) ? seconds * 1000 : undefined;
    throw new Interrupted(`${host} answered ${status}`, { answered: true, waitMs });
  }
  throw new QuireError("network", `${host} answered ${status} instead of sending ${basename(path)}.`, { got: status });
}

function totalOf({ headers }: Opened, start: number): number | undefined {
  const range = /\/(\d+)$/.exec(headers.get("content-range") ?? "");
  if (start > 0 && range) return Number(range[1]);
  // A server that compresses although asked not to states the length of what it sends, not of the file.
  const length = headers.has("content-encoding") ? null : headers.get("content-length");
  return length === null || !/^\d+$/.test(length) ? undefined : start + Number(length);
}

function strongEtag(headers: Headers): string | undefined {
  const etag = headers.get("etag");
  return etag?.startsWith('"') ? etag : undefined;
}

/** Saves fetching gigabytes that are known to be the wrong ones. */
async function refuseOther(
  opened: Opened,
  total: number | undefined,
  path: string,
  options: DownloadOptions,
): Promise<void> {
  const { sha256, sizeBytes } = options;
  const hash = opened.promised.sha256;
  const size = total ?? opened.promised.sizeBytes;
  const otherHash = sha256 !== undefined && hash !== undefined && hash !== sha256;
  if (!otherHash && (sizeBytes === undefined || size === undefined || size === sizeBytes)) return;
  await discardPart(path);
  throw wrongContent(path, otherHash ? { got: hash, expected: sha256 } : { got: size, expected: sizeBytes });
}

function wrongContent(path: string, details: { got: unknown; expected: unknown }): QuireError {
  return new QuireError("checksum", `${basename(path)} is not the file that was promised; it was not kept.`, {
    ...details,
    fix: "Try again; if it stays so, the file has been changed at its source: choose another model or source.",
  });
}

interface Received {
  readonly sizeBytes: number;
  readonly sha256: string;
}

interface Receiving {
  readonly start: number;
  readonly total: number | undefined;
  readonly options: DownloadOptions;
}

async function receive(opened: Opened, path: string, { start, total, options }: Receiving): Promise<Received> {
  const hash = createHash("sha256");
  if (start > 0) await feed(`${path}.part`, hash);
  const report = progressReport(basename(path), total, options.onProgress);
  let received = start;
  let file: FileHandle | undefined;
  try {
    file = await open(`${path}.part`, start > 0 ? "a" : "w");
    report(received, true);
    for await (const piece of opened.body) {
      throwIfAborted(options.signal);
      await file.writeFile(piece);
      hash.update(piece);
      received += piece.byteLength;
      report(received);
    }
    await file.sync();
  } catch (error) {
    throw writingError(`${path}.part`, error, total === undefined ? undefined : total - received);
  } finally {
    await file?.close();
  }
  if (total !== undefined && received < total) {
    throw new Interrupted(`the connection ended after ${received} of ${total} bytes`, { answered: true });
  }
  report(received, true);
  return { sizeBytes: received, sha256: hash.digest("hex") };
}

interface Expectation {
  readonly sha256: string | undefined;
  readonly gitSha1: string | undefined;
  readonly resumed: boolean;
  readonly options: DownloadOptions;
}

async function finish(path: string, got: Received, expected: Expectation): Promise<Downloaded> {
  const { sha256, gitSha1, options } = expected;
  const gitGot = sha256 === undefined && gitSha1 !== undefined ? await gitSha1OfFile(`${path}.part`) : undefined;
  const wrongSize = options.sizeBytes !== undefined && got.sizeBytes !== options.sizeBytes;
  const wrongHash = (sha256 !== undefined && got.sha256 !== sha256) || (gitGot !== undefined && gitGot !== gitSha1);
  if (wrongSize || wrongHash) {
    await discardPart(path);
    // The first part may be of an older version of the file, so a continued file gets one more chance from the start.
    if (expected.resumed) throw new Interrupted("the parts do not fit together", { answered: true, waitMs: 0 });
    throw wrongContent(path, {
      got: wrongHash ? (gitGot ?? got.sha256) : got.sizeBytes,
      expected: wrongHash ? (sha256 ?? gitSha1) : options.sizeBytes,
    });
  }
  await rename(`${path}.part`, path);
  await discardPart(path);
  const known = options.sha256 !== undefined ? "known-sha256" : "hub-sha256";
  return { path, ...got, verifiedBy: sha256 !== undefined ? known : gitGot !== undefined ? "hub-git-sha1" : "size" };
}

function progressReport(file: string, totalBytes: number | undefined, onProgress: DownloadOptions["onProgress"]) {
  let last = 0;
  return (receivedBytes: number, always = false) => {
    const now = performance.now();
    if (!onProgress || (!always && now - last < 50)) return;
    last = now;
    onProgress({ file, receivedBytes, totalBytes });
  };
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}
