import type { Readable } from "node:stream";
import { openPromise } from "yauzl";
import { isQuireError, QuireError } from "../errors.js";

/** Streams chosen members out of a zip file (a wheel is one), in the order in which they lie in it. */
export async function eachMember(
  path: string,
  wanted: ReadonlySet<string>,
  take: (member: string, content: Readable) => Promise<void>,
): Promise<void> {
  const missing = new Set(wanted);
  try {
    const zip = await openPromise(path, { lazyEntries: true, autoClose: false });
    try {
      for await (const entry of zip.eachEntry()) {
        if (!missing.delete(entry.fileName)) continue;
        await take(entry.fileName, await zip.openReadStreamPromise(entry));
        if (missing.size === 0) return;
      }
    } finally {
      zip.close();
    }
  } catch (error) {
    if (isQuireError(error) || typeof (error as NodeJS.ErrnoException).syscall === "string") throw error;
    throw new QuireError("bad-file", `${path} is damaged: ${(error as Error).message}.`, { cause: error });
  }
  throw new QuireError("bad-file", `${path} does not hold ${[...missing].join(", ")}.`, { expected: [...wanted] });
}
