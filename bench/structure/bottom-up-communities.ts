import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { recoveryThreshold, sampleBlockTree, topDownThreshold } from "../../src/structure/block-model.js";
import { bottomUpCommunities } from "../../src/structure/bottom-up-communities.js";
import type { CommunityTree } from "../../src/structure/community-tree.js";
import { leiden } from "../../src/structure/leiden.js";
import { paris } from "../../src/structure/paris.js";
import { bestMatch, samePartition } from "../../src/structure/partition-agreement.js";
import { seededRandom } from "../../src/structure/random.js";
import { recursiveBipartition } from "../../src/structure/recursive-bipartition.js";
import type { Bench, BenchOptions, Check, Findings, Row } from "../lib/report.js";
import { mean, single } from "../lib/statistics.js";
import { cpuSeconds } from "./cpu-seconds.js";
import { type PhasePoint, phasePicture } from "./phase-picture.js";

/** Bottom-up beside top-down communities on graphs with a planted binary tree: in how many runs every node is right at each depth,
 *  around and away from the threshold; and the time for a large graph. */

const results = fileURLToPath(new URL("../../docs/results", import.meta.url));

export const bottomUpCommunitiesBench: Bench = { title: "Communities from the bottom up and from the top down", run };

type Planted = ReturnType<typeof sampleBlockTree>;
type Finder = (graph: Planted, seed: number) => (groups: number) => Int32Array;

const cutsOf = (tree: CommunityTree) => (groups: number) => tree.cut(groups);
const finders: Record<string, Finder> = {
  "bottom-up, exact": (graph, seed) =>
    cutsOf(bottomUpCommunities({ groups: 8, spectral: "exact" }).build(graph, { seed })),
  "bottom-up, short": (graph, seed) =>
    cutsOf(bottomUpCommunities({ groups: 8, spectral: "short" }).build(graph, { seed })),
  "recursive bipartition": (graph, seed) => cutsOf(recursiveBipartition({ depth: 3 }).build(graph, { seed })),
  paris: (graph, seed) => cutsOf(paris().build(graph, { seed })),
  // Leiden chooses its own number of groups: its first partition is what stands at every depth.
  leiden: (graph, seed) => {
    const first = leiden({ maxSize: graph.nodeCount }).build(graph, { seed });
    return () => first.leafOf;
  },
};

export async function run({ quick, seed, progress }: BenchOptions): Promise<Findings> {
  const rows: Row[] = [];
  const seeds = Array.from({ length: quick ? 4 : 20 }, (_, i) => seed + i);
  const rates = [8, 9, 10, 40];
  const shares = new Map<string, number[]>();
  for (const [name, find] of Object.entries(finders)) {
    progress(`${name}, rates ${rates.join(", ")}, ${seeds.length} seeds`);
    const found = recovery(find, rates, 100, seeds);
    shares.set(name, found.exact);
    rows.push(recoveryRow(setting(rates, 100), name, found));
  }
  const scales = quick ? [0.4, 1.2] : [0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.15, 1.3, 1.5];
  const points: PhasePoint[] = [];
  const below: number[] = [];
  const above: number[] = [];
  for (const scale of scales) {
    const scaled = rates.map((rate) => scale * rate);
    progress(`phase diagram, rates times ${scale}`);
    for (const name of ["bottom-up, short", "recursive bipartition"]) {
      const found = recovery(finders[name]!, scaled, 100, seeds.slice(0, quick ? 3 : 10));
      if (scale !== 1) rows.push(recoveryRow(setting(scaled, 100), name, found));
      for (let q = 1; q <= 3; q++) {
        points.push({ method: name, depth: q, threshold: recoveryThreshold(scaled, q), share: found.exact[q - 1]! });
      }
      if (name !== "bottom-up, short") continue;
      for (let q = 1; q <= 3; q++) {
        if (recoveryThreshold(scaled, q) < 0.75) below.push(found.exact[q - 1]!);
        if (recoveryThreshold(scaled, q) > 1.5) above.push(found.exact[q - 1]!);
      }
    }
  }
  if (!quick) {
    await mkdir(results, { recursive: true });
    await writeFile(join(results, "bottom-up-communities-phase.svg"), phasePicture(points));
    progress("denser graphs, where both succeed");
    for (const name of ["bottom-up, short", "recursive bipartition"]) {
      const dense = [40, 50, 60, 100];
      rows.push(recoveryRow(setting(dense, 200), name, recovery(finders[name]!, dense, 200, seeds.slice(0, 5))));
    }
  }
  const large = largeGraph(quick ? 1_000 : 12_500, seed, progress);
  rows.push(...large.rows);

  const bottomUp = shares.get("bottom-up, short")!;
  const topDown = shares.get("recursive bipartition")!;
  const lead = Math.min(bottomUp[1]! - topDown[1]!, bottomUp[2]! - topDown[2]!);
  const checks: Check[] = [
    {
      name: "fails below the threshold, succeeds above it",
      passed: mean(below) <= 0.1 && mean(above) >= 0.8,
      detail: `all right in ${mean(below).toFixed(2)} of the runs where I < 0.75, in ${mean(above).toFixed(2)} where I > 1.5`,
    },
    {
      name: "the number of groups is found",
      passed: large.groups === 8,
      detail: `${large.groups} of 8 in ${large.nodes.toLocaleString("en")} nodes`,
    },
  ];
  return {
    title: "Communities from the bottom up and from the top down",
    summary: `Every node right at depth 1, 2, 3: from the bottom up in ${bottomUp.map((x) => x.toFixed(2)).join(", ")} of the runs, by splitting from the top in ${topDown.map((x) => x.toFixed(2)).join(", ")}. ${large.nodes.toLocaleString("en")} nodes take ${large.seconds.toFixed(0)} s of processor time.`,
    columns: {
      depth1: { title: "all right, depth 1", unit: "of runs", digits: 2, better: "higher" },
      depth2: { title: "depth 2", unit: "of runs", digits: 2, better: "higher" },
      depth3: { title: "depth 3", unit: "of runs", digits: 2, better: "higher" },
      accuracy: { title: "nodes right at depth 3", unit: "mean", digits: 4, better: "higher" },
      seconds: { title: "processor time", unit: "s a run", digits: 2, better: "lower" },
    },
    rows,
    ratios: { leastShareBottomUp: Math.min(...bottomUp), leadAtDepths2And3: lead, secondsOfLargest: large.seconds },
    targets: {
      leastShareBottomUp: { atLeast: 0.9 },
      leadAtDepths2And3: { atLeast: 0.3 },
      secondsOfLargest: { atMost: 120 },
    },
    checks,
    charts: [
      { measure: "depth3", title: "Runs with every node right at depth 3" },
      { measure: "depth2", title: "Runs with every node right at depth 2" },
    ],
    versions: {},
    notes: [
      "Settings give the rates at depths 0 to 3 in units of ln N / N, nodes a leaf, and I and J at depths 1, 2, 3: above 1 exact recovery is possible (I), and possible for splits from the top (J). Near 1, graphs of this size do not decide sharply.",
      ...(quick ? [] : ["The phase diagram: [bottom-up-communities-phase.svg](bottom-up-communities-phase.svg)."]),
      "All but Leiden are told that there are eight groups; Leiden's first partition is compared at every depth. Mean accuracies are close: the share of runs without one error is what tells methods apart.",
    ],
  };
}

interface Recovery {
  readonly exact: number[];
  readonly accuracy: number;
  readonly seconds: number;
}

function recovery(find: Finder, rates: readonly number[], nodesPerLeaf: number, seeds: readonly number[]): Recovery {
  const depth = rates.length - 1;
  const exact = new Array<number>(depth).fill(0);
  let accuracy = 0;
  let total = 0;
  for (const seed of seeds) {
    const graph = sampleBlockTree({ rates, nodesPerLeaf }, seededRandom(seed));
    const { result: cut, seconds } = cpuSeconds(() => find(graph, seed));
    total += seconds;
    for (let q = 1; q <= depth; q++) {
      const truth = graph.leafOf.map((leaf) => leaf >> (depth - q));
      const found = attempt(() => cut(2 ** q));
      if (found !== undefined && samePartition(found, truth)) exact[q - 1]! += 1 / seeds.length;
      if (q === depth && found !== undefined) accuracy += bestMatch(found, truth) / seeds.length;
    }
  }
  return { exact, accuracy, seconds: total / seeds.length };
}

/** A tree with too few or too many parts for a cut has not found the groups of that depth. */
function attempt(cut: () => Int32Array): Int32Array | undefined {
  try {
    return cut();
  } catch {
    return undefined;
  }
}

function recoveryRow(name: string, contender: string, { exact, accuracy, seconds }: Recovery): Row {
  const [depth1, depth2, depth3] = exact.map(single);
  return {
    setting: name,
    contender,
    measures: {
      depth1: depth1!,
      depth2: depth2!,
      depth3: depth3!,
      accuracy: single(accuracy),
      seconds: single(seconds),
    },
  };
}

function setting(rates: readonly number[], nodesPerLeaf: number): string {
  const at = (threshold: (rates: readonly number[], q: number) => number): string =>
    [1, 2, 3].map((q) => threshold(rates, q).toFixed(2)).join(" ");
  return `rates ${rates.map((rate) => +rate.toFixed(1)).join(" ")}, ${nodesPerLeaf} a leaf; I ${at(recoveryThreshold)}; J ${at(topDownThreshold)}`;
}

function largeGraph(nodesPerLeaf: number, seed: number, progress: (text: string) => void) {
  const rates = [0.5, 1, 2, 16];
  const graph = sampleBlockTree({ rates, nodesPerLeaf }, seededRandom(seed));
  const rows: Row[] = [];
  let [groups, seconds] = [0, 0];
  // The default last: its time is the figure.
  for (const spectral of ["exact", "short"] as const) {
    progress(`${graph.nodeCount} nodes, ${graph.sources.length} edges, ${spectral}`);
    const { result: tree, seconds: spent } = cpuSeconds(() => bottomUpCommunities({ spectral }).build(graph, { seed }));
    seconds = spent;
    groups = tree.leafCount;
    rows.push({
      setting: `${graph.nodeCount.toLocaleString("en")} nodes, ${graph.sources.length.toLocaleString("en")} edges, number of groups not given`,
      contender: `bottom-up, ${spectral}`,
      measures: { accuracy: single(bestMatch(tree.leafOf, graph.leafOf)), seconds: single(seconds) },
    });
  }
  return { rows, groups, seconds, nodes: graph.nodeCount };
}
