/** The file of a corpus graph: a line of JSON that says what it is of, then the arrays of its summaries, deflated. A file that is of
 *  another version, cut off or damaged counts as none: the graph can always be made again. */

import { createHash, randomBytes } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { deflate, inflate } from "node:zlib";
import { z } from "zod";
import { isQuireError } from "../../errors.js";
import { type GraphSummary, openSummary, type StoredSummary } from "../../structure/graph-summary.js";
import { diskError } from "../file-problem.js";
import { localFolder } from "../index/place.js";
import { type KeptGraph, type LinkKind, linkKinds } from "./link-kinds.js";

export const graphFileName = "graph.quire";
const format = 1;

const headSchema = z.object({
  format: z.literal(format),
  version: z.string(),
  nearBy: z.enum(["all pairs", "cells", "words"]),
  sha256: z.string(),
  links: z.record(
    z.enum(linkKinds),
    z.object({ nodeCount: z.int().min(0), edgeCount: z.int().min(0), parents: z.int().min(0), edges: z.int().min(0) }),
  ),
});

export async function writeGraphFile(folder: string, { version, nearBy, links }: KeptGraph): Promise<void> {
  const pieces: Buffer[] = [];
  const sizes = {} as Record<LinkKind, { nodeCount: number; edgeCount: number; parents: number; edges: number }>;
  for (const kind of linkKinds) {
    const { nodeCount, edgeCount, parent, x, y, sign } = links[kind].stored;
    sizes[kind] = { nodeCount, edgeCount, parents: parent.length, edges: x.length };
    for (const array of [parent, x, y]) pieces.push(littleEndian(array));
    pieces.push(Buffer.from(sign.buffer, sign.byteOffset, sign.byteLength));
  }
  const body = await promisify(deflate)(Buffer.concat(pieces));
  const sha256 = createHash("sha256").update(body).digest("hex");
  const head = `${JSON.stringify({ format, version, nearBy, sha256, links: sizes })}\n`;
  const path = join(localFolder(folder), graphFileName);
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await writeFile(temporary, Buffer.concat([Buffer.from(head), body]));
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw diskError(`${path} cannot be written`, cause);
  }
}

export async function readGraphFile(folder: string, version: string): Promise<KeptGraph | undefined> {
  try {
    const bytes = await readFile(join(localFolder(folder), graphFileName));
    const end = bytes.indexOf(10);
    const head = headSchema.parse(JSON.parse(bytes.subarray(0, end).toString("utf8")));
    const body = bytes.subarray(end + 1);
    if (head.version !== version || createHash("sha256").update(body).digest("hex") !== head.sha256) return undefined;
    const plain = await promisify(inflate)(body);
    let at = 0;
    const whole = (length: number): Int32Array => {
      const array = Int32Array.from({ length }, (_, i) => plain.readInt32LE(at + 4 * i));
      at += 4 * length;
      return array;
    };
    const links = {} as Record<LinkKind, GraphSummary>;
    for (const kind of linkKinds) {
      const { nodeCount, edgeCount, parents, edges } = head.links[kind];
      const [parent, x, y] = [whole(parents), whole(edges), whole(edges)];
      const sign = Int8Array.from(plain.subarray(at, at + edges), (byte) => (byte << 24) >> 24);
      at += edges;
      links[kind] = openSummary({ nodeCount, edgeCount, parent, x, y, sign } satisfies StoredSummary);
    }
    return { version, nearBy: head.nearBy, links };
  } catch (error) {
    if (error instanceof Error || isQuireError(error)) return undefined;
    throw error;
  }
}

function littleEndian(array: Int32Array): Buffer {
  const buffer = Buffer.alloc(4 * array.length);
  for (const [i, value] of array.entries()) buffer.writeInt32LE(value, 4 * i);
  return buffer;
}
