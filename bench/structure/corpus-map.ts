import type { Chunk } from "../../src/corpus/document.js";
import { buildCorpusGraph, type CorpusGraph } from "../../src/corpus/graph/corpus-graph.js";
import { nearestVectors } from "../../src/corpus/graph/nearest-vectors.js";
import { makeCorpusMap } from "../../src/corpus/map/corpus-map.js";
import { layOutChildren } from "../../src/corpus/map/map-layout.js";
import type { MapNode } from "../../src/corpus/map/map-node.js";
import { seededRandom } from "../../src/structure/random.js";
import type { Bench, BenchOptions, Findings, Row } from "../lib/report.js";
import { single } from "../lib/statistics.js";

/** What a map of a corpus takes, from vectors to laid-out topics, on planted corpora of growing size; and how many of the true nearest
 *  neighbours the approximate search finds. */

export const corpusMapBench: Bench = { title: "The map of a corpus", run };

const dimensions = 384;
const neighbours = 8;
const chunksPerGroup = 60;

export async function run({ quick, seed, progress }: BenchOptions): Promise<Findings> {
  const rows: Row[] = [];
  const sizes = quick ? [1_000, 5_000] : [1_000, 10_000, 100_000];
  let last = { linking: 0, topics: 0, layout: 0, recall: 1 };
  for (const size of sizes) {
    progress(`${size} chunks`);
    const { chunks, vectors } = plantedCorpus(size, seed);
    const began = cpu();
    const made = await buildCorpusGraph({ chunks, vectors, dimensions });
    const linking = cpu() - began;
    const graph: CorpusGraph = { ...made, version: "bench", stored: false };
    progress(`${size} chunks: topics`);
    const linked = cpu();
    const { root } = await makeCorpusMap(graph, { name: "planted", seed });
    const topics = cpu() - linked;
    const grouped = cpu();
    const regions = layOutAll(root);
    const layout = cpu() - grouped;
    progress(`${size} chunks: recall`);
    const recall = recallOf(vectors, seed);
    last = { linking, topics, layout, recall };
    const measures = {
      linking: single(linking),
      topics: single(topics),
      layout: single(layout),
      regions: single(regions),
      recall: single(recall),
    };
    rows.push({ setting: `${size.toLocaleString("en")} chunks, near by ${made.nearBy}`, contender: "quire", measures });
  }
  const largest = sizes.at(-1)!.toLocaleString("en");
  return {
    title: "The map of a corpus",
    summary: `${largest} chunks: links in ${last.linking.toFixed(0)} s of processor time, topics and their names in ${last.topics.toFixed(0)} s; ${(100 * last.recall).toFixed(0)}% of the true nearest neighbours are found.`,
    columns: {
      linking: { title: "links and their summaries", unit: "s", digits: 1, better: "lower" },
      topics: { title: "topics and names", unit: "s", digits: 1, better: "lower" },
      layout: { title: "every region laid out", unit: "s", digits: 1, better: "lower" },
      regions: { title: "regions", unit: "", digits: 0, better: "neither" },
      recall: { title: "true neighbours found", unit: "of 8", digits: 3, better: "higher" },
    },
    rows,
    ratios: { linkingOfLargest: last.linking, topicsOfLargest: last.topics, recallOfLargest: last.recall },
    targets: {
      linkingOfLargest: { atMost: 120 },
      topicsOfLargest: { atMost: 120 },
      recallOfLargest: { atLeast: 0.9 },
    },
    checks: [],
    charts: [{ measure: "linking", title: "Links of a corpus" }],
    versions: {},
    notes: [
      "Times are processor time of one process. Embedding and indexing are not part of them.",
      "Planted corpora: groups of 60 chunks around random directions, in larger groups; every sixth chunk lies in a random group.",
      "The viewer lays out a region when it comes into view, so a page opens without the third column's time.",
      "Recall: of 200 random chunks, share of the 8 nearest by all comparisons that the search for all chunks found.",
    ],
  };
}

function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function plantedCorpus(count: number, seed: number): { chunks: Chunk[]; vectors: Float32Array } {
  const random = seededRandom(seed);
  const groups = Math.ceil(count / chunksPerGroup);
  const areas = Math.ceil(Math.sqrt(groups));
  const near = (centre: Float32Array | undefined, spread: number): Float32Array => {
    const vector = Float32Array.from(
      { length: dimensions },
      (_, i) => (centre?.[i] ?? 0) + (spread * random.normal()) / Math.sqrt(dimensions),
    );
    const length = Math.hypot(...vector);
    return vector.map((value) => value / length);
  };
  const areaOf = Array.from({ length: areas }, () => near(undefined, 1));
  const groupOf = Array.from({ length: groups }, (_, group) => near(areaOf[group % areas], 0.8));
  const vectors = new Float32Array(count * dimensions);
  const chunks = Array.from({ length: count }, (_, c): Chunk => {
    const file = Math.floor(c / 20);
    const group = random.uniform() < 5 / 6 ? (file * 7919) % groups : random.below(groups);
    vectors.set(near(groupOf[group], 0.8), c * dimensions);
    const words = Array.from({ length: 40 }, () => {
      const kind = random.uniform();
      if (kind < 0.3) return `topic${group}word${random.below(12)}`;
      return kind < 0.6 ? `area${group % areas}term${random.below(20)}` : `common${random.below(4000)}`;
    });
    const order = c % 20;
    return {
      ...{ id: c.toString(16).padStart(32, "0"), documentId: String(file), uri: `d${file % 97}/f${file}.md` },
      ...{ text: `${words.join(" ")}.`, header: "", order, startByte: 0, endByte: 1, startLine: order * 10 + 1 },
      endLine: order * 10 + 10,
    };
  });
  return { chunks, vectors };
}

function layOutAll(root: MapNode): number {
  const open: { node: MapNode; polygon: ArrayLike<number> }[] = [
    { node: root, polygon: [0, 0, 1400, 0, 1400, 1000, 0, 1000] },
  ];
  for (let at = 0; at < open.length; at++) {
    const { node, polygon } = open[at]!;
    const children = node.children ?? [];
    const laid = layOutChildren(
      polygon,
      children.map(({ size }) => size),
    );
    for (const child of laid) open.push({ node: children[child.index]!, polygon: child.polygon });
  }
  return open.length;
}

function recallOf(vectors: Float32Array, seed: number): number {
  const count = vectors.length / dimensions;
  const { others, counts, most } = nearestVectors(vectors, dimensions, { most: neighbours });
  const random = seededRandom(seed + 1);
  let right = 0;
  const samples = 200;
  for (let sample = 0; sample < samples; sample++) {
    const v = random.below(count);
    const scores = new Float32Array(count);
    for (let u = 0; u < count; u++) {
      let sum = 0;
      for (let i = 0; i < dimensions; i++) sum += vectors[v * dimensions + i]! * vectors[u * dimensions + i]!;
      scores[u] = u === v ? Number.NEGATIVE_INFINITY : sum;
    }
    const best = Array.from(scores.keys())
      .sort((a, b) => scores[b]! - scores[a]! || a - b)
      .slice(0, neighbours);
    const found = new Set(others.subarray(v * most, v * most + counts[v]!));
    right += best.filter((u) => found.has(u)).length;
  }
  return right / (samples * neighbours);
}
