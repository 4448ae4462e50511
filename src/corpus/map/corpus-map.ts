/** The map of a corpus: topics inside topics, named, down to chunks. Made from the graph that is kept beside the index. */

import { createHash } from "node:crypto";
import { nearest, QuireError } from "../../errors.js";
import type { Chunk } from "../document.js";
import { type CorpusGraph, chunkLinks, chunkTexts } from "../graph/corpus-graph.js";
import type { MapNode } from "./map-node.js";
import type { Topic } from "./topic.js";
import { topicTerms } from "./topic-terms.js";
import { type TopicTree, topicTree } from "./topic-tree.js";

export interface CorpusMapOptions {
  /** Name of the whole. */
  readonly name: string;
  /** A better name for a topic than its words; undefined keeps them. Called for topics only, the largest first. */
  nameTopic?(topic: TopicToName): Promise<string | undefined>;
  /** Most topics that are named so; default 60. */
  readonly mostNamed?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  onProgress?(phase: "topics" | "words" | "names", done: number, total: number): void;
}

export interface TopicToName {
  /** The same for the same chunks, so that a name can be remembered. */
  readonly id: string;
  readonly terms: readonly string[];
  /** Of its most typical chunks. */
  readonly excerpts: readonly string[];
  /** Names of the topics beside it that are named already. */
  readonly taken: readonly string[];
}

export interface CorpusMap {
  readonly root: MapNode;
  readonly by: TopicTree["by"];
  readonly notes: readonly string[];
  /** Chunks below a node of the tree, in the order of the corpus. */
  chunksOf(node: MapNode): readonly Chunk[];
  /** A topic by its id, or by its name or part of it; `not-found` names the nearest. */
  find(topic: string): MapNode;
}

const defaultNamed = 60;
const termsInName = 3;
const longestName = 70;

export async function makeCorpusMap(graph: CorpusGraph, options: CorpusMapOptions): Promise<CorpusMap> {
  const { signal, seed, onProgress } = options;
  const { chunks } = graph;
  if (chunks.length === 0)
    throw new QuireError("bad-input", "There is nothing to map.", { expected: "an index with text" });
  const tree = topicTree(chunks, chunkLinks(graph), {
    seed,
    signal,
    onProgress: (done, total) => onProgress?.("topics", done, total),
  });
  onProgress?.("words", 0, 1);
  const texts = [...chunkTexts(chunks)];
  const { termsOf } = topicTerms(texts, tree.root);
  const idOf = topicIds(chunks);
  const named = await givenNames(tree.root, { termsOf, idOf, texts }, options);

  const chunksById = new Map<string, Int32Array>();
  const toNode = (topic: Topic, name: string): MapNode => {
    const terms = termsOf(topic);
    const names = distinct(topic.topics.map((part) => named.get(part) ?? nameOf(part, termsOf(part))));
    const children =
      topic.topics.length > 0
        ? topic.topics.map((part, i) => toNode(part, names[i]!))
        : Array.from(topic.chunks, (c) => chunkNode(chunks[c]!));
    const size = children.reduce((sum, child) => sum + child.size, 0);
    children.sort((a, b) => (topic.topics.length > 0 ? b.size - a.size : 0));
    const id = idOf(topic);
    chunksById.set(id, topic.chunks);
    return { id, name, ...(terms.length === 0 ? {} : { terms }), size, children };
  };
  const root = toNode(tree.root, options.name);
  const places = new Map(chunks.map(({ id }, c) => [id, c]));
  return {
    root,
    by: tree.by,
    notes: tree.notes,
    chunksOf(node) {
      const numbers = chunksById.get(node.id);
      if (numbers !== undefined) return Array.from(numbers, (c) => chunks[c]!);
      const place = places.get(node.id);
      return place === undefined ? [] : [chunks[place]!];
    },
    find: (topic) => findTopic(root, topic),
  };
}

interface Known {
  readonly texts: readonly string[];
  termsOf(topic: Topic): readonly string[];
  idOf(topic: Topic): string;
}

async function givenNames(
  root: Topic,
  { termsOf, idOf, texts }: Known,
  { nameTopic, mostNamed = defaultNamed, onProgress }: CorpusMapOptions,
): Promise<Map<Topic, string>> {
  const named = new Map<Topic, string>();
  if (nameTopic === undefined) return named;
  const asked: { topic: Topic; beside: readonly Topic[] }[] = [];
  const open: Topic[] = [root];
  // Level by level, so that what is seen first is named first.
  for (let at = 0; at < open.length && asked.length < mostNamed; at++) {
    for (const topic of open[at]!.topics) {
      open.push(topic);
      if (topic.name === undefined && asked.length < mostNamed) asked.push({ topic, beside: open[at]!.topics });
    }
  }
  for (const [i, { topic, beside }] of asked.entries()) {
    onProgress?.("names", i, asked.length);
    const terms = termsOf(topic);
    const taken = beside.flatMap((other) => named.get(other) ?? []);
    const name = await nameTopic({ id: idOf(topic), terms, excerpts: typical(topic, terms, texts), taken });
    if (name !== undefined && !taken.includes(name)) named.set(topic, name);
  }
  onProgress?.("names", asked.length, asked.length);
  return named;
}

/** The chunks that hold most of a topic's words. */
function typical(topic: Topic, terms: readonly string[], texts: readonly string[], most = 3): string[] {
  const words = terms.map((term) => term.toLowerCase());
  const scored = Array.from(topic.chunks.subarray(0, 500), (c) => {
    const text = texts[c]!.toLowerCase();
    return { c, score: words.filter((word) => text.includes(word)).length };
  });
  scored.sort((a, b) => b.score - a.score || a.c - b.c);
  return scored.slice(0, most).map(({ c }) => texts[c]!.replace(/\s+/g, " ").trim().slice(0, 400));
}

function nameOf({ name, chunks }: Topic, terms: readonly string[]): string {
  if (name !== undefined) return name;
  if (terms.length > 0) return namedBy(terms);
  return chunks.length === 1 ? "1 passage" : `${chunks.length} passages`;
}

function namedBy(terms: readonly string[]): string {
  let shown = terms[0] ?? "";
  for (const term of terms.slice(1, termsInName)) {
    if (shown.length + term.length + 2 <= longestName) shown += `, ${term}`;
  }
  return shown.charAt(0).toUpperCase() + shown.slice(1);
}

/** Names beside each other differ. */
function distinct(names: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return names.map((name) => {
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    return times === 1 ? name : `${name} (${times})`;
  });
}

function chunkNode({ id, uri, text, header, startLine, endLine }: Chunk): MapNode {
  return {
    id,
    name: chunkName(header, text),
    size: Math.max(1, text.length),
    chunk: { file: uri, start_line: startLine, end_line: endLine },
  };
}

/** Its innermost heading, else its first words. */
function chunkName(header: string, text: string): string {
  const heading = header.split(" > ").at(-1)?.trim() ?? "";
  if (heading !== "") return heading.length > longestName ? `${heading.slice(0, longestName - 1)}…` : heading;
  const start = text
    .trim()
    .slice(0, 200)
    .split("\n")[0]!
    .replace(/\s+/g, " ")
    .replace(/^[#/*\s-]+/, "");
  return start.length > longestName ? `${start.slice(0, longestName - 1)}…` : start || "(no words)";
}

function topicIds(chunks: readonly Chunk[]): (topic: Topic) => string {
  const known = new Map<Topic, string>();
  return (topic) => {
    let id = known.get(topic);
    if (id === undefined) {
      const hash = createHash("sha256").update(`${topic.chunks.length}`);
      for (const c of topic.chunks) hash.update(chunks[c]!.id);
      id = `topic-${hash.digest("hex").slice(0, 12)}`;
      known.set(topic, id);
    }
    return id;
  };
}

function findTopic(root: MapNode, wanted: string): MapNode {
  const said = wanted.trim().toLowerCase();
  const topics: MapNode[] = [];
  const open = [root];
  // Level by level: of two that fit, the larger topic is meant.
  for (let at = 0; at < open.length; at++) {
    const node = open[at]!;
    if (node.chunk !== undefined) continue;
    topics.push(node);
    open.push(...(node.children ?? []));
  }
  const tests: ((node: MapNode) => boolean)[] = [
    ({ id }) => id === said,
    ({ name }) => name.toLowerCase() === said,
    // By its words, where a model has named it since.
    ({ terms = [] }) => namedBy(terms).toLowerCase() === said,
    ({ name }) => name.toLowerCase().includes(said),
    ({ terms = [] }) => terms.some((term) => term.toLowerCase() === said),
  ];
  for (const test of said === "" ? [] : tests) {
    const found = topics.find(test);
    if (found !== undefined) return found;
  }
  const names = topics.slice(1).map(({ name }) => name);
  const near = nearest(wanted, names);
  throw new QuireError("not-found", `There is no topic "${wanted}".`, {
    got: wanted,
    expected: names
      .slice(0, 8)
      .map((name) => `"${name}"`)
      .join("; "),
    fix: near.length > 0 ? `Did you mean ${near[0]}?` : "`quire map` lists the topics.",
  });
}
