/** Links between chunks and files, from what their sources say: each link leads from the chunk it stands in to the chunk that its
 *  anchor names, or to the file as a whole. */

import type { Chunk } from "../document.js";
import { LinkResolver } from "./resolve-links.js";
import { anchorsOf, linksOf, readsAsHtml } from "./source-links.js";

export interface CitedChunks {
  readonly sources: Int32Array;
  /** Chunks 0..C-1, then files C..C+F-1. */
  readonly targets: Int32Array;
}

export interface CorpusFiles {
  readonly uris: readonly string[];
  /** Chunks of file f: firstChunk[f] .. firstChunk[f + 1). */
  readonly firstChunk: Int32Array;
}

/** A page that links to everything, as a table of contents does, says nothing about what belongs together. */
const mostLinksOfChunk = 40;

/** `sourceOf` gives the original of a file whose extracted text no longer holds its links; undefined where it cannot be had. */
export async function citedChunks(
  chunks: readonly Chunk[],
  files: CorpusFiles,
  sourceOf: (uri: string) => Promise<string | undefined>,
): Promise<CitedChunks> {
  const resolver = new LinkResolver(files.uris);
  const anchors = new Map<string, number>();
  const links: { chunk: number; file: number; anchor: string }[] = [];
  for (const [file, uri] of files.uris.entries()) {
    const own = { first: files.firstChunk[file]!, end: files.firstChunk[file + 1]! };
    const pieces = readsAsHtml(uri)
      ? [{ text: (await sourceOf(uri)) ?? "", line: 1 }]
      : chunks.slice(own.first, own.end).map(({ text, startLine }) => ({ text, line: startLine }));
    for (const { text, line } of pieces) {
      for (const place of anchorsOf(uri, text, line)) {
        const key = `${file}#${place.anchor}`;
        if (!anchors.has(key)) anchors.set(key, chunkAt(chunks, own, place.line));
      }
      for (const link of linksOf(uri, text, line)) {
        const target = resolver.resolve(uri, link);
        if (target !== undefined)
          links.push({ chunk: chunkAt(chunks, own, link.line), file: target, anchor: link.anchor });
      }
    }
  }
  const ends = new Map<number, Set<number>>();
  for (const { chunk, file, anchor } of links) {
    const named = anchor === "" ? undefined : anchors.get(`${file}#${anchor}`);
    // Within its own file a link without a known anchor leads nowhere new.
    const within = chunk >= files.firstChunk[file]! && chunk < files.firstChunk[file + 1]!;
    const target = named ?? (within ? undefined : chunks.length + file);
    if (target === undefined || target === chunk) continue;
    const known = ends.get(chunk);
    if (known === undefined) ends.set(chunk, new Set([target]));
    else known.add(target);
  }
  const sources: number[] = [];
  const targets: number[] = [];
  for (const [chunk, found] of ends) {
    if (found.size > mostLinksOfChunk) continue;
    for (const target of found) {
      sources.push(chunk);
      targets.push(target);
    }
  }
  return { sources: Int32Array.from(sources), targets: Int32Array.from(targets) };
}

/** The last chunk of the file that begins at or before a line. */
function chunkAt(chunks: readonly Chunk[], { first, end }: { first: number; end: number }, line: number): number {
  let low = first;
  let high = end;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (chunks[middle]!.startLine <= line) low = middle;
    else high = middle;
  }
  return low;
}
