/** The topics of a corpus from its graph: bottom-up communities give the smallest groups and the tree of their joins; that binary
 *  tree is shown as topics of a few parts each, and large groups are divided again by themselves. */

import { throwIfAborted } from "../../errors.js";
import { bottomUpCommunities } from "../../structure/bottom-up-communities.js";
import { type CommunityTree, communityTree } from "../../structure/community-tree.js";
import { type CompressedGraph, components, compressGraph, type EdgeList } from "../../structure/compressed-graph.js";
import { groupLinks, joinByDensity } from "../../structure/density-linkage.js";
import { leidenPartition } from "../../structure/leiden.js";
import { seededRandom } from "../../structure/random.js";
import { subgraph } from "../../structure/subgraph.js";
import type { Chunk } from "../document.js";
import { fileTopics } from "./file-topics.js";
import { leafTopic, type Topic, topicOf } from "./topic.js";
import { shapeTopics } from "./topic-shape.js";

export interface TopicTreeOptions {
  readonly seed?: number;
  readonly signal?: AbortSignal;
  onProgress?(done: number, total: number): void;
}

export interface TopicTree {
  readonly root: Topic;
  /** links: communities of the graph. links, large: their first groups by Leiden. files: folders, files and headings. */
  readonly by: "links" | "links, large" | "files";
  readonly notes: readonly string[];
}

/** Fewer chunks have no topics beyond their files. */
const leastChunks = 24;
/** A topic of more chunks is divided further. */
const largestLeaf = 40;
/** Up to this many chunks the number of first groups is estimated; above that takes minutes, so a fixed number is taken, and what comes
 *  out is divided again by itself. Above the second, Leiden finds the first groups in seconds. */
const estimatedUpTo = 1200;
const spectralUpTo = 12_000;
const firstGroups = 24;
/** Of more connected parts each would be little more than a group. */
const mostParts = 60;
/** A connected part of fewer chunks is no topic of its own. */
const smallestPart = 10;
const deepest = 12;

export function topicTree(chunks: readonly Chunk[], links: EdgeList, options: TopicTreeOptions = {}): TopicTree {
  const graph = compressGraph(links);
  if (chunks.length < leastChunks || graph.edgeCount === 0) {
    return { root: fileTopics(chunks, all(chunks.length)), by: "files", notes: [] };
  }
  const run = new TopicRun(chunks, options);
  const { main, apart } = linkedParts(graph);
  const room = new Int32Array(graph.nodeCount).fill(-1);
  const inside = apart.length === 0 ? graph : subgraph(graph, main, room);
  if (main.length < leastChunks) return { root: fileTopics(chunks, all(chunks.length)), by: "files", notes: [] };
  const topics = run.divide(inside, main, 0);
  const notes: string[] = [];
  let root = topics;
  if (apart.length > 0) {
    notes.push(`${apart.length} chunks have no link to the rest: they are grouped by file.`);
    const rest = { ...fileTopics(chunks, Int32Array.from(apart)), name: "Unlinked" };
    root = topicOf([...(topics.topics.length > 0 ? topics.topics : [topics]), rest]);
  }
  return { root, by: main.length > spectralUpTo ? "links, large" : "links", notes };
}

function all(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, c) => c);
}

/** Chunks in parts large enough to hold topics, and the others. */
function linkedParts(graph: CompressedGraph): { main: Int32Array; apart: number[] } {
  const { count, of } = components(graph);
  const sizes = new Int32Array(count);
  for (const part of of) sizes[part]!++;
  const main: number[] = [];
  const apart: number[] = [];
  for (const [c, part] of of.entries()) (sizes[part]! >= smallestPart ? main : apart).push(c);
  return { main: Int32Array.from(main), apart };
}

class TopicRun {
  readonly #sizes: Float64Array;
  #done = 0;

  constructor(
    readonly chunks: readonly Chunk[],
    readonly options: TopicTreeOptions,
  ) {
    this.#sizes = Float64Array.from(chunks, ({ text }) => text.length);
  }

  /** `graph` holds the links among `members`, node i being chunk members[i]. */
  divide(graph: CompressedGraph, members: Int32Array, depth: number): Topic {
    throwIfAborted(this.options.signal);
    const small = depth > 0 && members.length <= largestLeaf;
    const tree = small || depth > deepest ? undefined : this.#communities(graph);
    if (tree === undefined || tree.leafCount < 2) return this.#undivided(members);
    const weights = new Float64Array(tree.leafCount);
    for (const [node, leaf] of tree.leafOf.entries()) weights[leaf]! += this.#sizes[members[node]!]!;
    const room = new Int32Array(graph.nodeCount).fill(-1);
    return shapeTopics(tree, groupLinks(graph, tree.leafOf, tree.leafCount), weights, (leaf) => {
      const nodes = tree.members(leaf);
      const own = nodes.map((node) => members[node]!);
      if (own.length > largestLeaf) return this.divide(subgraph(graph, nodes, room), own, depth + 1);
      return this.#undivided(own);
    });
  }

  /** What no link divides is divided by file. Its words name it: "library/" says nothing. */
  #undivided(members: Int32Array): Topic {
    this.#done += members.length;
    this.options.onProgress?.(this.#done, this.chunks.length);
    if (members.length <= largestLeaf) return leafTopic(members);
    return { ...fileTopics(this.chunks, members), name: undefined };
  }

  #communities(graph: CompressedGraph): CommunityTree | undefined {
    if (graph.edgeCount === 0) return undefined;
    const { seed = 0, signal } = this.options;
    const parts = graph.nodeCount <= estimatedUpTo ? 0 : largeParts(graph);
    if (graph.nodeCount > spectralUpTo || parts > mostParts) {
      const of = leidenPartition(graph, { resolution: 1, randomness: 0.001 }, seededRandom(seed));
      const count = of.reduce((most, group) => Math.max(most, group + 1), 0);
      return communityTree(graph, of, joinByDensity(groupLinks(graph, of, count)), { levels: 0 });
    }
    const groups = graph.nodeCount <= estimatedUpTo ? undefined : Math.max(firstGroups, parts + firstGroups / 2);
    return bottomUpCommunities({ levels: 0, groups }).build(edgeListOf(graph), { seed, signal });
  }
}

function largeParts(graph: CompressedGraph): number {
  const { count, of } = components(graph);
  const sizes = new Int32Array(count);
  for (const part of of) sizes[part]!++;
  return sizes.reduce((parts, size) => parts + (size >= smallestPart ? 1 : 0), 0);
}

function edgeListOf(graph: CompressedGraph): EdgeList {
  const { nodeCount, edgeCount, offsets, neighbors } = graph;
  const sources = new Int32Array(edgeCount);
  const targets = new Int32Array(edgeCount);
  const weights = new Float64Array(edgeCount);
  let e = 0;
  for (let v = 0; v < nodeCount; v++) {
    for (let i = offsets[v]!; i < offsets[v + 1]!; i++) {
      if (neighbors[i]! <= v) continue;
      sources[e] = v;
      targets[e] = neighbors[i]!;
      weights[e++] = graph.weights?.[i] ?? 1;
    }
  }
  return { nodeCount, sources, targets, weights };
}
