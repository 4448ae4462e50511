import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { aspectBound, polygonalPartitions } from "../../src/structure/polygonal-partitions.js";
import { seededRandom } from "../../src/structure/random.js";
import { randomTree } from "../../src/structure/random-tree.case.js";
import { embedUltrametric } from "../../src/structure/ultrametric-embedding.js";
import { indexTree, sumWeights } from "../../src/structure/weighted-tree.js";
import type { Bench, BenchOptions, Check, Findings, Row } from "../lib/report.js";
import { median, type Spread, single, spread } from "../lib/statistics.js";
import { folderTree } from "./folder-tree.js";
import { mapPicture } from "./map-picture.js";
import { sliceAndDice, squarified, type Treemap, worstRectangle } from "./treemaps.js";

/** Polygonal partitions beside treemaps on the same trees: how thin the thinnest region gets as weights spread, how exact areas are, how long it
 *  takes; and the embedding of ultrametrics against its bound. Also draws a real folder, docs/results/polygonal-partitions-map.svg. */

const root = fileURLToPath(new URL("../..", import.meta.url));
const rules = ["widest-angle", "dyadic", "greedy", "rectangles"] as const;

export const polygonalPartitionsBench: Bench = { title: "Nested polygons that never get thin", run };

export async function run(options: BenchOptions): Promise<Findings> {
  const { quick, seed, progress } = options;
  const seeds = Array.from({ length: quick ? 2 : 5 }, (_, i) => seed + i);
  const rows: Row[] = [];
  const checks: Check[] = [];
  const worstBySkew = new Map<string, number>();
  let violations = 0;
  let areaError = 0;
  for (const skew of quick ? [0, 5] : [0, 2, 5, 10]) {
    progress(`512 leaves, weights e^±${skew}`);
    const setting = `512 leaves, weights e^±${skew}`;
    for (const rule of rules) {
      const results = (rule === "greedy" ? seeds.slice(0, quick ? 1 : 3) : seeds).map((one) =>
        measureRule(one, 512, skew, rule),
      );
      if (rule === "widest-angle" || rule === "dyadic")
        violations += results.reduce((sum, result) => sum + result.violations, 0);
      if (rule !== "rectangles") areaError = Math.max(areaError, ...results.map((result) => result.areaError));
      rows.push(
        row(setting, rule === "rectangles" ? "boxes with slack" : rule, {
          aspect: spread(results.map(({ worst }) => worst)),
          milliseconds: spread(results.map(({ milliseconds }) => milliseconds)),
        }),
      );
      worstBySkew.set(`${rule} ${skew}`, median(results.map(({ worst }) => worst)));
    }
    for (const [name, treemap] of [
      ["squarified treemap", squarified],
      ["slice-and-dice treemap", sliceAndDice],
    ] as const) {
      const results = seeds.map((one) => measureTreemap(one, 512, skew, treemap));
      rows.push(
        row(setting, name, {
          aspect: spread(results.map(({ worst }) => worst)),
          milliseconds: spread(results.map(({ milliseconds }) => milliseconds)),
        }),
      );
      worstBySkew.set(`${name} ${skew}`, median(results.map(({ worst }) => worst)));
    }
  }
  const leaves = quick ? 20_000 : 100_000;
  progress(`${leaves} leaves`);
  const rounds = Array.from({ length: quick ? 2 : 5 }, () => measureRule(seed, leaves, 5, "widest-angle"));
  const treemapRounds = Array.from({ length: quick ? 2 : 5 }, () => measureTreemap(seed, leaves, 5, squarified));
  const largeSetting = `${leaves.toLocaleString("en")} leaves, weights e^±5`;
  rows.push(
    row(largeSetting, "widest-angle", {
      aspect: single(rounds[0]!.worst),
      milliseconds: spread(rounds.map(({ milliseconds }) => milliseconds)),
    }),
  );
  rows.push(
    row(largeSetting, "squarified treemap", {
      aspect: single(treemapRounds[0]!.worst),
      milliseconds: spread(treemapRounds.map(({ milliseconds }) => milliseconds)),
    }),
  );
  violations += rounds[0]!.violations;
  areaError = Math.max(areaError, rounds[0]!.areaError);
  progress("ultrametrics");
  const embedded = seeds.flatMap((one) => [24, 137, 600].map((count) => measureEmbedding(one, count)));
  for (const count of [24, 137, 600]) {
    const some = embedded.filter((result) => result.count === count);
    rows.push(
      row(`ultrametric of ${count} points into the plane`, "embedding", {
        distortion: spread(some.map(({ distortion }) => distortion)),
        bound: spread(some.map(({ bound }) => bound)),
      }),
    );
  }
  checks.push(
    {
      name: "every region within the proven bound",
      passed: violations === 0,
      detail: `${violations} regions above it (rules widest-angle and dyadic)`,
    },
    { name: "areas exact", passed: areaError < 1e-9, detail: `largest relative error ${areaError.toExponential(1)}` },
    {
      name: "embedded distances never below the tree's, never above the bound",
      passed: embedded.every(({ kept }) => kept),
      detail: `${embedded.length} trees`,
    },
  );
  if (!quick) await drawFolder(progress);
  return {
    title: "Polygonal partitions beside treemaps",
    summary: `Worst region of random trees, as diam²/area (a square has 2). The more weights differ, the thinner the treemaps' worst rectangle; the polygons' stays within a bound that does not depend on weights.${quick ? "" : " A real folder drawn so: [polygonal-partitions-map.svg](polygonal-partitions-map.svg)."}`,
    columns: {
      aspect: { title: "worst region", unit: "diam²/area", digits: 1, better: "lower" },
      milliseconds: { title: "time", unit: "ms", digits: 1, better: "lower" },
      distortion: { title: "distortion", unit: "", digits: 1, better: "lower" },
      bound: { title: "proven stretch", unit: "", digits: 1, better: "neither" },
    },
    rows,
    ratios: {
      squarifiedOverWidestAngle: worstBySkew.get("squarified treemap 5")! / worstBySkew.get("widest-angle 5")!,
      [quick ? "seconds20kLeaves" : "seconds100kLeaves"]: median(rounds.map(({ milliseconds }) => milliseconds)) / 1000,
    },
    targets: { squarifiedOverWidestAngle: { atLeast: 100 }, seconds100kLeaves: { atMost: 2 } },
    checks,
    charts: [
      { measure: "aspect", title: "Worst region at even weights", settings: ["512 leaves, weights e^±0"] },
      ...(quick
        ? []
        : [{ measure: "aspect", title: "Worst region, weights within e^±2", settings: ["512 leaves, weights e^±2"] }]),
    ],
    versions: {},
    notes: [
      `Random trees, up to 6 children a node, leaf weights e^u with u uniform; ${seeds.length} seeds, medians with quartiles. Greedy: ${quick ? 1 : 3} seeds.`,
      "Boxes with slack lose up to a factor (1 - slack) of area per level, slack = 1 / (height + 1); all others fill the square exactly.",
      "Squarified: Bruls, Huizing and van Wijk's rule, written for this bench.",
    ],
  };
}

function row(setting: string, contender: string, measures: Record<string, Spread>): Row {
  return { setting, contender, measures };
}

function measureRule(seed: number, leaves: number, skew: number, rule: (typeof rules)[number]) {
  const tree = randomTree(seed, leaves, skew);
  const method = polygonalPartitions({ rule });
  const started = performance.now();
  const drawn = method.build(tree);
  const milliseconds = performance.now() - started;
  const { weights } = sumWeights(indexTree(tree.parents), tree.weights);
  let [worst, violations, areaError] = [0, 0, 0];
  drawn.aspects.forEach((aspect, node) => {
    worst = Math.max(worst, aspect);
    if (aspect > aspectBound(drawn.cuts[node]!)) violations++;
    areaError = Math.max(areaError, Math.abs((drawn.areas[node]! * weights[0]!) / weights[node]! - 1));
  });
  return { milliseconds, worst, violations, areaError };
}

function measureTreemap(seed: number, leaves: number, skew: number, treemap: Treemap) {
  const given = randomTree(seed, leaves, skew);
  const started = performance.now();
  const tree = indexTree(given.parents);
  const { weights } = sumWeights(tree, given.weights);
  const boxes = treemap(tree, weights);
  return { milliseconds: performance.now() - started, worst: worstRectangle(boxes, weights) };
}

function measureEmbedding(seed: number, count: number) {
  const random = seededRandom(seed + 77);
  const { parents } = randomTree(seed, count, 0, 5);
  const labels = parents.map(() => 0);
  parents.forEach((parent, node) => {
    labels[node] = parent < 0 ? 1 : labels[parent]! * (0.2 + 0.7 * random.uniform());
  });
  const { measured, stretchBound } = embedUltrametric({ parents, labels }, { dims: 2, round: true });
  const kept = measured!.least >= 1 - 1e-9 && measured!.most <= stretchBound * (1 + 1e-9);
  return { count, distortion: measured!.distortion, bound: stretchBound, kept };
}

async function drawFolder(progress: (text: string) => void): Promise<void> {
  progress("a real folder as a picture");
  const tree = folderTree(join(root, "node_modules", "zod", "src"), "zod");
  const drawn = polygonalPartitions().build(tree);
  const folder = join(root, "docs", "results");
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, "polygonal-partitions-map.svg"),
    mapPicture(tree, drawn, "The source folder of zod: area is bytes"),
  );
}
