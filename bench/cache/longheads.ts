import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Engine } from "../../src/engine/engine.js";
import { partOf } from "../../src/methods.js";
import { Quire } from "../../src/quire.js";
import { prose } from "../decode/prompts.js";
import type { Bench, BenchOptions, Check, Column, Findings, Row } from "../lib/report.js";
import { mean, single } from "../lib/statistics.js";
import { type Outcome, runForced } from "./forced-run.js";
import { ResultsSoFar } from "./results-so-far.js";
import { type Case, needleCases, perplexityCases } from "./tasks.js";
import { longText } from "./texts.js";

/** LongHeads beyond the length that a model was trained for, beside the plain model, a window, and chunks by lot. */

export const longheadsBench: Bench = { title: "Beyond the trained length", run };

const columns: Record<string, Column> = {
  exact: { title: "pass key right", unit: "%", digits: 0, better: "higher" },
  nll: { title: "loss", unit: "nat", digits: 3, better: "lower" },
  entries: { title: "entries read", unit: "", digits: 0, better: "neither" },
  promptSeconds: { title: "prompt", unit: "s", digits: 1, better: "lower" },
  stepMs: { title: "step", unit: "ms", digits: 1, better: "lower" },
  found: { title: "reads of the key's chunk / by chance", unit: "", digits: 1, better: "higher" },
};

interface Size {
  readonly lengths: readonly number[];
  readonly depths: readonly number[];
  readonly texts: number;
  readonly scored: number;
  readonly window: number;
  readonly chunk: number;
}

const fullSize: Size = {
  lengths: [2000, 10_000],
  depths: [0.2, 0.8],
  texts: 1,
  scored: 64,
  window: 2048,
  chunk: 128,
};
const quickSize: Size = { lengths: [600], depths: [0.3], texts: 1, scored: 16, window: 256, chunk: 32 };

type Stored = Outcome & { readonly found?: number };

async function run(options: BenchOptions): Promise<Findings> {
  const { quick, seed, progress } = options;
  const size = quick ? quickSize : fullSize;
  const modelName = options.model ?? "smollm2-135m-instruct";
  const root = await mkdtemp(join(tmpdir(), "quire-bench-longheads-"));
  const most = Math.max(...size.lengths) + 2 * size.scored + 256;
  const quire = await Quire.open(modelName, { threads: options.threads, prefixSharing: false, contextTokens: most });
  const { model } = quire.engine;
  const trained = model.config.maxPositions;
  // The others must be let go where they are not meant to.
  const unbound = { ...model, config: { ...model.config, maxPositions: Math.max(most, trained) } };
  const daring = new Engine(unbound, quire.tokenizer, { prefixSharing: false, contextTokens: most });
  try {
    const text = await longText(options.text, root, quick);
    const [bos] = quire.tokenizer.encode("", { bos: true });
    const written = quire.tokenizer.encode(text.text);
    const tokens =
      written.length >= most ? written : Int32Array.from([...written, ...prose(quire.tokenizer, most, seed)]);
    const results = await ResultsSoFar.open<Stored>("longheads", quire.path, text.name, String(seed), String(quick));
    const longheads = `longheads:window=${size.window},chunk=${size.chunk}`;
    const contenders = [
      { name: "plain model", choice: "full" },
      { name: `window of ${size.window}`, choice: `window:budget=${size.window},slices=true` },
      { name: "longheads", choice: longheads },
      { name: "longheads, chunks by lot", choice: `${longheads},choose=random` },
    ];
    const measure = async (one: Case, choice: string): Promise<Stored> => {
      const key = `${one.id} | ${choice}`;
      const known = results.get(key);
      if (known !== undefined) return known;
      const policy = await partOf("cache", choice);
      const engine = policy.renumbers ? quire.engine : daring;
      const { outcome, stats } = await watched(engine, policy, one);
      const found = one.task === "needle" && policy.renumbers ? foundShare(one, stats, size, quire) : undefined;
      const stored: Stored = found === undefined ? outcome : { ...outcome, found };
      await results.add({ [key]: stored });
      progress(key);
      return stored;
    };
    const rows: Row[] = [];
    const ratios: Record<string, number> = {};
    for (const length of size.lengths) {
      const needles = needleCases(quire.tokenizer, { tokens: length, depths: size.depths, seed });
      const texts = perplexityCases(tokens, { texts: size.texts, prompt: length, scored: size.scored, bos });
      const beyond = length > trained ? "beyond" : "within";
      for (const { name, choice } of contenders) {
        const recalled: Stored[] = [];
        for (const one of needles) recalled.push(await measure(one, choice));
        const read: Stored[] = [];
        // By lot the chunks of a text are as good as any: the window says that already.
        if (!choice.includes("random")) for (const one of texts) read.push(await measure(one, choice));
        const found = recalled.flatMap((one) => one.found ?? []);
        const right = 100 * mean(recalled.flatMap((one) => [...one.right]));
        rows.push({
          setting: `${length} tokens, ${beyond} the ${trained} trained for`,
          contender: name,
          measures: {
            exact: single(right),
            ...(read.length > 0 ? { nll: single(mean(read.map((one) => one.nll))) } : {}),
            entries: single(mean(recalled.map((one) => one.entries))),
            promptSeconds: single(mean(recalled.map((one) => one.prompt.wallMs)) / 1000),
            stepMs: single(mean(recalled.map((one) => one.step.wallMs))),
            ...(found.length > 0 ? { found: single(mean(found)) } : {}),
          },
        });
        const key = name.replace(/,? /g, "-");
        ratios[`passkey:${length}:${key}`] = right;
        if (read.length > 0) ratios[`loss:${length}:${key}`] = mean(read.map((one) => one.nll));
        if (found.length > 0) ratios[`found:${length}:${key}`] = mean(found);
      }
    }
    const longest = Math.max(...size.lengths);
    return {
      title: `${longheadsBench.title}: ${modelName}, ${text.name}`,
      summary: `A pass key at ${size.depths.length} depths of filler, asked for at the end; and the loss of ${size.scored} tokens that follow a text. Longheads reads ${size.window} entries a head in chunks of ${size.chunk}, also while it reads the prompt; the window reads as many, at true positions. Plain model and window are run beyond the trained length for comparison only: Quire refuses it otherwise.`,
      columns,
      rows,
      ratios,
      targets: {
        [`passkey:${longest}:longheads`]: { atLeast: 90 },
        [`found:${longest}:longheads`]: { atLeast: 2 },
      },
      checks: [gate(ratios, Math.min(...size.lengths))],
      charts: [{ measure: "exact", title: "Pass key right" }],
      versions: {},
      notes: [
        text.note,
        "Reads of the key's chunk: how often heads chose the chunk with the key among those free to choose while the answer was written, over what a choice by lot would give.",
      ],
    };
  } finally {
    await daring.close();
    await quire.close();
    await rm(root, { recursive: true, force: true });
  }
}

/** The run, and what its policy counted. */
async function watched(engine: Engine, policy: Awaited<ReturnType<typeof partOf<"cache">>>, one: Case) {
  let stats: Record<string, number> = {};
  const outcome = await runForced(
    engine,
    {
      ...policy,
      create: (shape) => {
        const made = policy.create(shape);
        return { ...made, stats: () => (stats = made.stats?.() ?? {}) };
      },
    },
    one,
  );
  return { outcome, stats };
}

/** Choices of the chunks that hold the key, over what chance would give them. */
function foundShare(
  one: Case,
  stats: Record<string, number>,
  { window, chunk }: Size,
  quire: Quire,
): number | undefined {
  const place = quire.tokenizer.decode(one.prompt).indexOf("The pass key is");
  const before = quire.tokenizer.encode(quire.tokenizer.decode(one.prompt).slice(0, place)).length;
  const key = Math.floor((before + 4) / chunk);
  const choices = Object.entries(stats).filter(([name]) => name.startsWith("chunk "));
  const total = choices.reduce((sum, [, times]) => sum + times, 0);
  const candidates = Math.floor(one.prompt.length / chunk) - 2;
  if (total === 0 || candidates < window / chunk) return undefined;
  return ((stats[`chunk ${key}`] ?? 0) / total) * candidates;
}

function gate(ratios: Record<string, number>, shortest: number): Check {
  const right = ratios[`passkey:${shortest}:plain-model`] ?? 0;
  return {
    name: "the plain model finds at least 90 % of the keys within its length",
    passed: right >= 90,
    detail: `${Math.round(right)} %`,
  };
}
