/** The graph of a corpus: chunks and files as nodes, linked where chunks are near in meaning, cite or import each other, or share rare
 *  terms. Each kind of link is held as a summary that loses nothing (`slugger`), in one file beside the index, and is made anew when
 *  what is indexed has changed. */

import { throwIfAborted } from "../../errors.js";
import type { EdgeList } from "../../structure/compressed-graph.js";
import { slugger } from "../../structure/slugger.js";
import type { Chunk } from "../document.js";
import type { CorpusIndex } from "../index/corpus-index.js";
import { type CorpusFiles, citedChunks } from "./cited-chunks.js";
import { readGraphFile, writeGraphFile } from "./graph-file.js";
import { type KeptGraph, type LinkKind, linkKinds } from "./link-kinds.js";
import { nearestVectors } from "./nearest-vectors.js";
import type { Neighbours } from "./neighbour-lists.js";
import { sharedTerms } from "./shared-terms.js";
import { buildVocabulary } from "./terms.js";

export interface CorpusGraph extends KeptGraph {
  readonly chunks: readonly Chunk[];
  readonly files: CorpusFiles;
  /** Whether it was read from its file. */
  readonly stored: boolean;
}

export interface CorpusGraphOptions {
  /** Neighbours of a chunk by meaning; default 8. */
  readonly nearest?: number;
  readonly signal?: AbortSignal;
  onProgress?(phase: "near" | "cites" | "terms" | "compress"): void;
  /** The original of a file; undefined where it cannot be had. */
  sourceOf?(uri: string): Promise<string | undefined>;
}

const defaultNearest = 8;
/** A neighbour that does not think the same of me is kept only if it is one of my first. */
const keptOneSided = 3;
const exactUpTo = 3000;

export async function openCorpusGraph(index: CorpusIndex, options: CorpusGraphOptions = {}): Promise<CorpusGraph> {
  const { nearest = defaultNearest, signal } = options;
  const version = `${await index.version()} ${nearest}`;
  const found = await readGraphFile(index.indexFolder, version);
  if (found !== undefined) {
    const { chunks } = await index.all({ vectors: false, signal });
    const files = filesOf(chunks);
    const fits = linkKinds.every((kind) => found.links[kind].nodeCount === chunks.length + files.uris.length);
    if (fits) return { version, nearBy: found.nearBy, chunks, files, links: found.links, stored: true };
  }
  const all = await index.all({ signal });
  const made = await buildCorpusGraph(all, { ...options, nearest });
  const graph: CorpusGraph = { version, ...made, stored: false };
  await writeGraphFile(index.indexFolder, { version, nearBy: graph.nearBy, links: graph.links });
  return graph;
}

export async function buildCorpusGraph(
  { chunks, vectors, dimensions }: { chunks: readonly Chunk[]; vectors?: Float32Array; dimensions: number },
  options: CorpusGraphOptions = {},
): Promise<Omit<CorpusGraph, "version" | "stored">> {
  const { nearest = defaultNearest, signal, onProgress, sourceOf = async () => undefined } = options;
  const files = filesOf(chunks);
  const nodeCount = chunks.length + files.uris.length;
  const vocabulary = buildVocabulary(chunkTexts(chunks));
  throwIfAborted(signal);
  onProgress?.("near");
  const near =
    vectors === undefined
      ? sharedTerms(vocabulary, { most: nearest, mostFrequent: 100, least: 2, signal })
      : nearestVectors(vectors, dimensions, { most: nearest, exactUpTo, signal });
  onProgress?.("cites");
  const cites = await citedChunks(chunks, files, sourceOf);
  throwIfAborted(signal);
  onProgress?.("terms");
  const terms = sharedTerms(vocabulary, { most: 4, mostFrequent: 12, least: 2, signal });
  onProgress?.("compress");
  const summary = (edges: Omit<EdgeList, "nodeCount">) => slugger().build({ nodeCount, ...edges }, { signal });
  return {
    nearBy: vectors === undefined ? "words" : chunks.length <= exactUpTo ? "all pairs" : "cells",
    chunks,
    files,
    links: { near: summary(pairs(near)), cites: summary(cites), terms: summary(pairs(terms)) },
  };
}

/** A chunk as words see it: with the headings above it. */
export function* chunkTexts(chunks: readonly Chunk[]): Generator<string> {
  for (const { header, text } of chunks) yield header === "" ? text : `${header}\n${text}`;
}

export function filesOf(chunks: readonly Chunk[]): CorpusFiles {
  const uris: string[] = [];
  const firstChunk: number[] = [];
  for (const [c, { uri }] of chunks.entries()) {
    if (uris[uris.length - 1] === uri) continue;
    uris.push(uri);
    firstChunk.push(c);
  }
  return { uris, firstChunk: Int32Array.from([...firstChunk, chunks.length]) };
}

/** Links that both ends would choose, and each one's first few. The summary drops what stands here twice. */
function pairs({ others, counts, most }: Neighbours): { sources: Int32Array; targets: Int32Array } {
  const sources: number[] = [];
  const targets: number[] = [];
  for (const [v, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      const u = others[v * most + i]!;
      if (i >= keptOneSided && !others.subarray(u * most, u * most + counts[u]!).includes(v)) continue;
      sources.push(v);
      targets.push(u);
    }
  }
  return { sources: Int32Array.from(sources), targets: Int32Array.from(targets) };
}

/** What counts how much when topics are found. Neighbours in a file belong together a little, whatever they say. */
const weightOf: Readonly<Record<LinkKind, number>> = { near: 1, cites: 1, terms: 0.5 };
const sequenceWeight = 0.5;

/** The graph of chunks alone: a link to a file counts as one to its first chunk, and chunks that follow each other are linked. */
export function chunkLinks({ chunks, files, links }: Pick<CorpusGraph, "chunks" | "files" | "links">): EdgeList {
  const sources: number[] = [];
  const targets: number[] = [];
  const weights: number[] = [];
  const chunkOf = (node: number): number => (node < chunks.length ? node : files.firstChunk[node - chunks.length]!);
  for (const kind of linkKinds) {
    const { nodeCount, offsets, neighbors } = links[kind].decode();
    for (let v = 0; v < nodeCount; v++) {
      for (let i = offsets[v]!; i < offsets[v + 1]!; i++) {
        const u = neighbors[i]!;
        if (u <= v || chunkOf(u) === chunkOf(v)) continue;
        sources.push(chunkOf(v));
        targets.push(chunkOf(u));
        weights.push(weightOf[kind]);
      }
    }
  }
  for (let c = 0; c + 1 < chunks.length; c++) {
    if (chunks[c]!.uri !== chunks[c + 1]!.uri) continue;
    sources.push(c);
    targets.push(c + 1);
    weights.push(sequenceWeight);
  }
  return { nodeCount: chunks.length, sources, targets, weights };
}
