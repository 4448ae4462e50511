import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CachePolicy, PolicyRun } from "../../src/cache/policy.js";
import { partOf } from "../../src/methods.js";
import { Quire } from "../../src/quire.js";
import type { Bench, BenchOptions, Check, Column, Findings, Row } from "../lib/report.js";
import { single } from "../lib/statistics.js";
import { type Outcome, runForced } from "./forced-run.js";
import { perplexityCases } from "./tasks.js";
import { longText } from "./texts.js";

/** Policies that keep everything and read less of it: what the reading costs in quality, and how much is read. */

export const cacheReadingBench: Bench = { title: "Reading less of the cache", run };

const columns: Record<string, Column> = {
  perplexity: { title: "perplexity", unit: "", digits: 2, better: "lower" },
  excess: { title: "over full", unit: "%", digits: 1, better: "lower" },
  bits: { title: "bits read", unit: "% of f16", digits: 1, better: "lower" },
  entries: { title: "entries read", unit: "", digits: 0, better: "lower" },
  refined: { title: "heads that read low bits", unit: "%", digits: 1, better: "lower" },
};

interface Contender {
  readonly name: string;
  readonly choice: string;
}

/** Each of SpAtten's savings alone, then together; chunkllm without adapters beside the window that reads as much. */
function contenders(prompt: number, share: number): Contender[] {
  const entries = Math.floor(prompt * share);
  const all = "tokenKeep=1,headKeep=1,valueKeep=1,highBits=0,lowBits=0";
  const only = (option: string) => `spatten:${all.replace(new RegExp(`${option.split("=")[0]}=[^,]*`), option)}`;
  return [
    { name: "full", choice: "full" },
    { name: `window, ${entries} entries`, choice: `window:budget=${entries},slices=false` },
    {
      name: `chunkllm without adapters, ${entries} entries`,
      choice: `chunkllm:budget=${entries},local=${Math.floor(entries / 2)},longest=${Math.max(8, Math.floor(entries / 8))}`,
    },
    { name: "spatten, tokens only", choice: only("tokenKeep=0.3") },
    { name: "spatten, values only", choice: only("valueKeep=0.3") },
    { name: "spatten, bit planes only", choice: "spatten:tokenKeep=1,valueKeep=1" },
    { name: "spatten, values and bit planes", choice: "spatten:tokenKeep=1" },
    { name: "spatten, everything but heads", choice: "spatten" },
    { name: "spatten, everything, 6 of 9 heads", choice: "spatten:headKeep=0.67" },
  ];
}

async function run(options: BenchOptions): Promise<Findings> {
  const { quick, seed, progress } = options;
  const modelName = options.model ?? "smollm2-135m-instruct";
  const size = quick ? { texts: 1, prompt: 192, scored: 24 } : { texts: 2, prompt: 512, scored: 64 };
  const root = await mkdtemp(join(tmpdir(), "quire-bench-reading-"));
  const quire = await Quire.open(modelName, { threads: options.threads, prefixSharing: false });
  try {
    const text = await longText(options.text, root, quick);
    const [bos] = quire.tokenizer.encode("", { bos: true });
    const cases = perplexityCases(quire.tokenizer.encode(text.text), { ...size, bos });
    const rows: Row[] = [];
    const ratios: Record<string, number> = {};
    const baseline: Outcome[] = [];
    for (const { name, choice } of contenders(size.prompt, 0.5)) {
      const outcomes: Outcome[] = [];
      const stats: Record<string, number>[] = [];
      for (const one of cases) {
        const watched = watch(await partOf("cache", choice));
        outcomes.push(await runForced(quire.engine, watched.policy, one));
        stats.push(watched.stats());
        progress(`${name}: ${outcomes.length} of ${cases.length}`);
      }
      if (choice === "full") baseline.push(...outcomes);
      const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
      const nll = mean(outcomes.map((one) => one.nll));
      const excess = 100 * Math.expm1(nll - mean(baseline.map((one) => one.nll)));
      const entries = stats.every((one) => one["meanEntriesRead"] !== undefined)
        ? mean(stats.map((one) => one["meanEntriesRead"] as number))
        : mean(outcomes.map((one) => one.entries));
      const share = stats.every((one) => one["shareRead"] !== undefined)
        ? mean(stats.map((one) => one["shareRead"] as number))
        : entries / mean(baseline.map((one) => one.entries));
      const refined = stats.map((one) => one["shareRefined"] ?? Number.NaN);
      rows.push({
        setting: `${size.prompt} + ${size.scored} tokens, ${size.texts} ${size.texts === 1 ? "text" : "texts"}`,
        contender: name,
        measures: {
          perplexity: single(Math.exp(nll)),
          excess: single(excess),
          bits: single(100 * share),
          ...(choice.startsWith("spatten") ? { refined: single(100 * mean(refined)) } : { entries: single(entries) }),
        },
      });
      if (choice !== "full") ratios[`excess:${name.replace(/,? /g, "-")}`] = excess;
      if (choice.startsWith("spatten")) ratios[`fewerBits:${name.replace(/,? /g, "-")}`] = 1 / share;
    }
    return {
      title: `${cacheReadingBench.title}: ${modelName}, ${text.name}`,
      summary:
        "The prompt is read in full; then the text goes on token by token, as it is written. Bits read are those of keys and values that a step has to read, counted from what was really chosen, beside a cache of f16 read whole; for policies without bits, entries read beside entries held.",
      columns,
      rows,
      ratios,
      targets: {},
      checks: [fewer(rows)],
      charts: [
        { measure: "excess", title: "Perplexity over the full cache" },
        { measure: "bits", title: "Bits read" },
      ],
      versions: {},
      notes: [text.note, `Seed ${seed} plays no part: nothing is drawn.`],
    };
  } finally {
    await quire.close();
    await rm(root, { recursive: true, force: true });
  }
}

/** A policy whose run can be asked afterwards what it did. */
function watch(policy: CachePolicy): { policy: CachePolicy; stats(): Record<string, number> } {
  let run: PolicyRun | undefined;
  return {
    policy: {
      ...policy,
      create: (shape) => {
        run = policy.create(shape);
        return run;
      },
    },
    stats: () => run?.stats?.() ?? {},
  };
}

function fewer(rows: readonly Row[]): Check {
  const read = rows
    .filter(({ contender }) => contender !== "full")
    .map(({ measures }) => measures["bits"]?.value ?? 100);
  return {
    name: "every policy reads less than everything",
    passed: read.every((share) => share < 100),
    detail: `${Math.min(...read).toFixed(0)} to ${Math.max(...read).toFixed(0)} % of the bits`,
  };
}
