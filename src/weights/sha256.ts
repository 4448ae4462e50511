import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";

/** Hashes of files, read in a stream. */
export async function sha256OfFile(path: string, hash = createHash("sha256")): Promise<string> {
  return (await feed(path, hash)).digest("hex");
}

/** Reads a file into a hash that is to be fed further. */
export async function feed(path: string, hash: ReturnType<typeof createHash>): Promise<ReturnType<typeof createHash>> {
  for await (const piece of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(piece as Buffer);
  return hash;
}

/** The name that Git gives a file's content, which hubs use for small files. */
export async function gitSha1OfFile(path: string): Promise<string> {
  const { size } = await stat(path);
  return sha256OfFile(path, createHash("sha1").update(`blob ${size}\0`));
}

export async function isWhole(path: string, sizeBytes: number, sha256: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && found.size === sizeBytes && (await sha256OfFile(path)) === sha256;
}
