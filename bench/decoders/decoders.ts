import { Quire } from "../../src/quire.js";
import { resolveModel } from "../../src/weights/resolve-model.js";
import { random } from "../ask/random.js";
import { ResultsSoFar } from "../cache/results-so-far.js";
import type { Bench, BenchOptions, Check, Findings, Row } from "../lib/report.js";
import { single } from "../lib/statistics.js";
import { type Accepted, acceptance, shapedDecoders } from "./acceptance.js";
import { type CostPoint, costCurve } from "./cost-curve.js";
import { ratioInterval, speedOf, type TimedRun } from "./speed.js";
import { openings, tasks } from "./tasks.js";

/** What decoders that speculate gain: time a token on tasks that quote and tasks that do not, beside plain decoding; what calls of
 *  several rows cost; and how many tokens a call brings by tree, draft and temperature. */

const title = "Decoders that draft";
const plain = "plain";
const auto = "rsd, shape=auto";

const timed: Readonly<Record<string, string>> = {
  [plain]: "autoregressive",
  "chain, lookup": "chain:draft=lookup,depth=15",
  [auto]: "rsd",
  "prompt-lookup": "prompt-lookup",
};

export const decodersBench: Bench = { title, run };

async function run(options: BenchOptions): Promise<Findings> {
  const { quick, progress } = options;
  const name = options.model ?? "smollm2-135m-instruct";
  const threads = options.threads ?? (quick ? 1 : 2);
  const { path } = await resolveModel(name);
  const costs = await costCurve({
    ...{ path, threads, progress },
    contexts: quick ? [256] : [256, 2048],
    rows: quick ? [1, 2, 4, 8, 16] : [1, 2, 4, 8, 16, 32, 64],
    rounds: quick ? 3 : 9,
  });
  const rows: Row[] = costRows(costs);
  const ratios: Record<string, number> = {};
  const checks: Check[] = [];
  for (const products of quick ? (["in-parts"] as const) : (["as-stored", "in-parts"] as const)) {
    const quire = await openPlain(name, threads, products);
    try {
      const speeds = await timeTasks(quire, products, options);
      rows.push(...speeds.rows);
      checks.push(...speeds.checks);
      Object.assign(ratios, speeds.ratios);
      for (const point of costs.filter((one) => one.products === products && one.rows === 8 && one.context === 256))
        ratios[`costOf8Rows${suffixOf(products)}`] = point.cpuMs / cpuOfOne(costs, point);
    } finally {
      await quire.close();
    }
  }
  rows.push(...(await acceptanceRows(name, threads, options)));
  return {
    title: `${title}: ${name}`,
    summary: `${threads === 1 ? "One thread" : `${threads} threads`}; greedy where times are taken, in turns A B B A. Speeds are ratios of rounds to plain decoding of the same setting, in brackets an interval that holds the middle 95 times of 100. "In parts": matrices of q4_1 multiplied in two parts (\`products: "in-parts"\`). τ: tokens a call of the target.`,
    columns: {
      speed: { title: "speed beside plain", unit: "", digits: 2, better: "higher" },
      computed: { title: "the same by processor time", unit: "", digits: 2, better: "higher" },
      stepMs: { title: "a token", unit: "ms", digits: 1, better: "lower" },
      cpu: { title: "processor time a token", unit: "ms", digits: 1, better: "lower" },
      perCall: { title: "τ", unit: "tokens", digits: 2, better: "higher" },
      perRow: { title: "tokens a row", unit: "", digits: 2, better: "higher" },
      first: { title: "right at depth 1", unit: "", digits: 2, better: "higher" },
      second: { title: "right at depth 2", unit: "", digits: 2, better: "higher" },
      cost: { title: "c(R)", unit: "", digits: 2, better: "lower" },
      callMs: { title: "a call", unit: "ms", digits: 1, better: "lower" },
    },
    rows,
    ratios,
    targets: {
      lookupOnQuotingVsPlain: { atLeast: 1.5 },
      autoVsPlainWorst: { atLeast: 0.97 },
    },
    checks,
    charts: [
      {
        measure: "speed",
        title: "Speed beside plain decoding",
        settings: rows.map(({ setting }) => setting).filter(isTimed),
      },
      {
        measure: "cost",
        title: "Cost of a call of R rows",
        settings: [...new Set(rows.map(({ setting }) => setting).filter(isCost))],
      },
    ].map((chart) => ({ ...chart, settings: [...new Set(chart.settings)] })),
    versions: {},
    notes: [
      `Drafts of the τ tables: a copy of the model with q4_0 weights (low-bit:q4_0), ${quick ? 2 : openings.length} openings. Rows: chains have as many drafted rows, trees as near as their shapes come (2-2, 2-2-2, 2-2-2-2; beams of 3, 7 and 10).`,
      "c(R): processor time of a call of R rows by that of one row, which other programs on the machine hardly change; with one thread it is what the time would be on a machine of one's own.",
    ],
  };
}

const quickTasks = tasks.filter(({ name }) => ["edits code", "copies a table", "tells a story"].includes(name));

const isTimed = (setting: string) => setting.includes(": ") && !setting.startsWith("c(R)");
const isCost = (setting: string) => setting.startsWith("c(R)");
const suffixOf = (products: string) => (products === "in-parts" ? "" : "AsStored");

async function openPlain(name: string, threads: number, products: "as-stored" | "in-parts"): Promise<Quire> {
  return Quire.open(name, { device: "cpu", threads, products, contextTokens: 2048, prefixSharing: false });
}

function cpuOfOne(costs: readonly CostPoint[], { products, context }: CostPoint): number {
  const one = costs.find((point) => point.products === products && point.context === context && point.rows === 1);
  return one?.cpuMs ?? Number.NaN;
}

function costRows(costs: readonly CostPoint[]): Row[] {
  return costs.map((point) => ({
    setting: `c(R), context ${point.context}, ${point.products}`,
    contender: `${point.rows} row${point.rows === 1 ? "" : "s"}`,
    measures: {
      cost: single(point.cpuMs / cpuOfOne(costs, point)),
      callMs: single(point.ms),
      cpu: single(point.cpuMs),
    },
  }));
}

interface Speeds {
  readonly rows: Row[];
  readonly checks: Check[];
  readonly ratios: Record<string, number>;
}

async function timeTasks(quire: Quire, products: "as-stored" | "in-parts", options: BenchOptions): Promise<Speeds> {
  const { quick, progress, seed } = options;
  const rows: Row[] = [];
  const quoting: Record<string, number[]> = {};
  const quotingCpu: Record<string, number[]> = {};
  let worst = Number.POSITIVE_INFINITY;
  let worstCpu = Number.POSITIVE_INFINITY;
  let unequal: string[] = [];
  const draw = random(seed);
  for (const task of quick ? quickTasks : tasks) {
    const times = await speedOf(quire, task, {
      ...{ decoders: timed, progress },
      tokens: quick ? 48 : 160,
      rounds: quick ? 3 : 11,
    });
    const base = times.get(plain) ?? [];
    for (const [contender, runs] of times) {
      const walls = runs.map((one, round) => (base[round]?.ms ?? Number.NaN) / one.ms);
      const cpus = runs.map((one, round) => (base[round]?.cpuMs ?? Number.NaN) / one.cpuMs);
      const uniform = () => draw.below(2 ** 30) / 2 ** 30;
      const interval = ratioInterval(walls, uniform);
      const computed = ratioInterval(cpus, uniform);
      rows.push({
        setting: `${products}: ${task.name}`,
        contender,
        measures: {
          speed: { ...interval, n: runs.length },
          computed: { ...computed, n: runs.length },
          stepMs: single(middleOf(runs, "ms")),
          cpu: single(middleOf(runs, "cpuMs")),
          perCall: single(middleOf(runs, "tokensPerCall")),
        },
      });
      if (task.kind === "quoting") {
        quoting[contender] = [...(quoting[contender] ?? []), interval.value];
        quotingCpu[contender] = [...(quotingCpu[contender] ?? []), computed.value];
      }
      if (contender === auto) worst = Math.min(worst, interval.value);
      if (contender === auto) worstCpu = Math.min(worstCpu, computed.value);
      const same = runs.every(({ tokens }) => tokens.join() === base[0]?.tokens.join());
      if (!same) unequal = [...unequal, `${contender} on "${task.name}"`];
    }
  }
  const suffix = suffixOf(products);
  const mean = (values: readonly number[] = []) =>
    Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);
  return {
    rows,
    checks: [
      {
        name: `equal greedy tokens, ${products}`,
        passed: unequal.length === 0,
        detail: unequal.length === 0 ? "all decoders, all tasks" : `different: ${unequal.join(", ")}`,
      },
    ],
    ratios: {
      [`lookupOnQuotingVsPlain${suffix}`]: mean(quoting["chain, lookup"]),
      [`autoOnQuotingVsPlain${suffix}`]: mean(quoting[auto]),
      [`promptLookupOnQuotingVsPlain${suffix}`]: mean(quoting["prompt-lookup"]),
      [`autoVsPlainWorst${suffix}`]: worst,
      [`lookupOnQuotingVsPlainCpu${suffix}`]: mean(quotingCpu["chain, lookup"]),
      [`autoOnQuotingVsPlainCpu${suffix}`]: mean(quotingCpu[auto]),
      [`autoVsPlainWorstCpu${suffix}`]: worstCpu,
    },
  };
}

function middleOf(runs: readonly TimedRun[], key: "ms" | "cpuMs" | "tokensPerCall"): number {
  const sorted = runs.map((one) => one[key]).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function acceptanceRows(name: string, threads: number, options: BenchOptions): Promise<Row[]> {
  const { quick, progress, seed } = options;
  const prompts = quick ? openings.slice(0, 2) : openings;
  const tokens = quick ? 24 : 96;
  const results = await ResultsSoFar.open<Accepted>("decoders", name, String([quick, seed, prompts.length, tokens]));
  const quire = await openPlain(name, threads, "in-parts");
  const rows: Row[] = [];
  const tests = shapedDecoders("low-bit:q4_0", quick ? [] : [6, 14, 30], quick ? [3] : [2, 3, 4]);
  try {
    for (const temperature of quick ? [1] : [0, 0.6, 1]) {
      for (const { setting, contender, decoder } of tests) {
        progress(`τ at temperature ${temperature}, ${setting}: ${contender}`);
        const {
          tokens: emitted,
          calls,
          drafted,
          byDepth,
        } = await acceptance(decoder, {
          ...{ quire, results, prompts, tokens, temperature, seed },
        });
        rows.push({
          setting: `τ, ${setting}, temperature ${temperature}`,
          contender,
          measures: {
            perCall: single(emitted / calls),
            perRow: single(emitted / (calls + drafted)),
            ...(byDepth[0] === undefined ? {} : { first: single(byDepth[0]) }),
            ...(byDepth[1] === undefined ? {} : { second: single(byDepth[1]) }),
          },
        });
      }
    }
    return rows;
  } finally {
    await quire.close();
  }
}
