import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Quire } from "../../src/quire.js";
import { prose } from "../decode/prompts.js";
import type { Bench, BenchOptions, Check, Column, Findings, Target } from "../lib/report.js";
import { allPolicies, parseBudgets, parsePolicies, readers } from "./contenders.js";
import { ResultsSoFar } from "./results-so-far.js";
import { type Measured, runCases } from "./run-cases.js";
import { runSpeed } from "./speed.js";
import { percent, summariseCases, summariseSpeed } from "./summarise.js";
import { type Case, keyValueCase, needleCases, perplexityCases, recurrenceCase } from "./tasks.js";
import { longText } from "./texts.js";

/** What each cache policy costs and saves: same model, same texts, same entries held, one run. */

export const cacheBench: Bench = {
  title: "Cache policies",
  run: (options) => run("Cache policies", options, options.quick ? quickSize : fullSize),
};

/** The text only, in longer pieces and more of them: how much a policy loses differs much from text to text. */
export const cachePerplexityBench: Bench = {
  title: "Cache policies, perplexity of longer texts",
  run: (options) => {
    const size = options.quick ? quickSize : { ...fullSize, ...longTexts };
    return run("Cache policies, perplexity of longer texts", { ...options, tasks: "perplexity" }, size);
  },
};

/** Policies of papers that free memory. */
const methods = ["h2o", "cake", "lazy-eviction", "chelsea"];

const columns: Record<string, Column> = {
  perplexity: { title: "perplexity", unit: "", digits: 2, better: "lower" },
  excess: { title: "over full", unit: "%", digits: 1, better: "lower" },
  exact: { title: "right", unit: "%", digits: 0, better: "higher" },
  nll: { title: "loss", unit: "nat", digits: 3, better: "lower" },
  entries: { title: "entries", unit: "", digits: 0, better: "neither" },
  megabytes: { title: "held", unit: "MB", digits: 1, better: "lower" },
  peakMegabytes: { title: "peak", unit: "MB", digits: 1, better: "lower" },
  bytesPerBudget: { title: "bytes / budget", unit: "", digits: 2, better: "lower" },
  tokensPerSecond: { title: "tokens/s", unit: "", digits: 1, better: "higher" },
  stepCpu: { title: "processor time a step", unit: "ms", digits: 1, better: "lower" },
  promptCpu: { title: "of the prompt", unit: "s", digits: 1, better: "lower" },
  decodeVsFull: { title: "speed / full", unit: "", digits: 2, better: "higher" },
  prefillVsFull: { title: "prompt time / full", unit: "", digits: 2, better: "lower" },
  stepVsRandom: { title: "step / random", unit: "", digits: 2, better: "lower" },
};

async function run(title: string, options: BenchOptions, size: Size): Promise<Findings> {
  const { quick, seed, progress } = options;
  const policies = options.policies === undefined ? [...allPolicies] : parsePolicies(options.policies);
  const budgets = options.budgets === undefined ? size.budgets : parseBudgets(options.budgets);
  const modelName = options.model ?? "smollm2-135m-instruct";
  const root = await mkdtemp(join(tmpdir(), "quire-bench-cache-"));
  // Every policy computes its own prompt: what one read is not given to the next.
  const quire = await Quire.open(modelName, {
    threads: options.threads,
    prefixSharing: false,
    maxSequences: size.together,
  });
  try {
    const text = await longText(options.text, root, quick);
    const { cases: allCases, tokens } = makeCases(quire, text.text, { size, seed });
    const tasks = options.tasks?.split(/[\s,]+/);
    const cases = allCases.filter(({ task }) => tasks?.includes(task) ?? true);
    const settings = [
      quire.path,
      text.name,
      String(tokens.length),
      String(seed),
      String(options.threads),
      String(quick),
    ];
    const results = await ResultsSoFar.open<Measured>("cache", ...settings);
    const shared = { engine: quire.engine, results, policies, progress };
    if (!options.saved) await runCases(cases, { ...shared, budgets, together: size.together });
    // Speeds mean nothing when other sequences share the pass: each policy alone, with a budget of a tenth.
    const lengths = size.lengths.filter(
      (length) => length + size.steps < quire.contextTokens && (tasks?.includes("speed") ?? true),
    );
    if (!options.saved) await runSpeed(tokens, { ...shared, lengths, budget: 0.1, steps: size.steps });
    const source = { policies, budgets, seed, get: (key: string) => results.get(key) };
    const quality = summariseCases(cases, source);
    const { numLayers, numKvHeads, headDim } = quire.engine.model.config;
    const entryBytes = numLayers * numKvHeads * headDim * 2 * 2;
    const speed = summariseSpeed(lengths, { ...source, budget: 0.1, entryBytes });
    const ratios = { ...headline(quality.ratios, speed.ratios, policies), ...quality.ratios, ...speed.ratios };
    return {
      title: `${title}: ${modelName}, ${text.name}`,
      summary:
        "Each policy reads the prompt whole, then cuts to the same number of entries per layer and KV head (a share of the prompt; of the whole text for recurrence), then reads on token by token, with the text as it is written, whatever it would have said. The question of needle and key-value comes after the cut. Brackets: 95 % interval by bootstrap over texts or questions. Held and entries are means over the steps, as measured (entries: what is read by policies that hold everything, which are spatten, chunkllm, here without adapters, and longheads); peak counts the reading of the prompt. Speed: one run each, alone, after the text has been written on for a while (last third of the steps); ratios are of processor time, which other programs on the machine disturb less.",
      columns,
      rows: [...quality.rows, ...speed.rows],
      ratios,
      targets: targetsOf(ratios),
      checks: tasks === undefined || tasks.some((task) => recall.includes(task)) ? [gate(quality.ratios)] : [],
      charts: [{ measure: "excess", title: "Perplexity over the full cache" }],
      versions: {},
      notes: [
        text.note,
        ...(options.saved ? ["Printed from what runs had measured that were not finished (`--saved`)."] : []),
        "lazy-eviction holds everything until its first cut, as many steps after the prompt as its window is long (half the budget, at most 64): where it is right more often, look at the entries it held.",
        `Budgets: ${budgets.map(percent).join(", ")}; ${policies.length} policies, ${cases.length} cases.`,
        ...quality.notes,
      ],
    };
  } finally {
    await quire.close();
    await rm(root, { recursive: true, force: true });
  }
}

interface Size {
  readonly budgets: number[];
  readonly texts: number;
  readonly prompt: number;
  readonly scored: number;
  readonly needle: { readonly tokens: number; readonly depths: readonly number[] };
  readonly pairs: number;
  readonly questions: number;
  readonly recurrence: { readonly records: number; readonly tokens: number };
  readonly lengths: readonly number[];
  readonly steps: number;
  readonly together: number;
}

const fullSize: Size = {
  budgets: [0.5, 0.2, 0.1, 0.05, 0.03],
  texts: 3,
  prompt: 512,
  scored: 96,
  needle: { tokens: 384, depths: [0.2, 0.7] },
  pairs: 24,
  questions: 4,
  recurrence: { records: 6, tokens: 320 },
  lengths: [2048, 8064, 4096],
  steps: 96,
  together: 8,
};

const longTexts = { budgets: [0.5, 0.2], texts: 3, prompt: 2048, scored: 128 };

const quickSize: Size = {
  budgets: [0.2],
  texts: 1,
  prompt: 192,
  scored: 32,
  needle: { tokens: 128, depths: [0.5] },
  pairs: 8,
  questions: 2,
  recurrence: { records: 2, tokens: 64 },
  lengths: [256],
  steps: 8,
  together: 8,
};

function makeCases(
  { tokenizer, contextTokens }: Quire,
  text: string,
  { size, seed }: { size: Size; seed: number },
): { cases: Case[]; tokens: Int32Array } {
  const [bos] = tokenizer.encode("", { bos: true });
  const written = tokenizer.encode(text);
  const most = Math.min(contextTokens, Math.max(...size.lengths) + size.steps + 1);
  // A text too short for the longest prompt is followed by generated prose.
  const tokens =
    written.length >= most ? written : Int32Array.from([...written, ...prose(tokenizer, most - written.length, seed)]);
  const cases = [
    ...perplexityCases(tokens, { texts: size.texts, prompt: size.prompt, scored: size.scored, bos }),
    ...needleCases(tokenizer, { ...size.needle, seed }),
    keyValueCase(tokenizer, { pairs: size.pairs, questions: size.questions, seed }),
    recurrenceCase(tokenizer, { ...size.recurrence, seed }),
  ];
  return { cases, tokens };
}

/** The figures the comparison is about, over the policies of papers that ran. */
function headline(
  quality: Record<string, number>,
  speed: Record<string, number>,
  policies: readonly string[],
): Record<string, number> {
  const named = (names: readonly string[]) => policies.filter((one) => names.includes(one.split(":")[0] as string));
  const ran = named(methods);
  const excess = named([...methods, ...readers]).flatMap((policy) => quality[`excess:perplexity:20 %:${policy}`] ?? []);
  const at8k = ran.flatMap((policy) => speed[`decodeVsFull:8k:${policy}`] ?? []);
  return {
    ...(at8k.length > 0 ? { decodeAt8kTenPercentVsFull: Math.min(...at8k) } : {}),
    ...(excess.length > 0 ? { underFivePercentAtTwenty: excess.filter((value) => value < 5).length } : {}),
  };
}

function targetsOf(ratios: Record<string, number>): Record<string, Target> {
  const wanted = (key: string): Target | undefined => {
    if (key === "decodeAt8kTenPercentVsFull") return { atLeast: 2 };
    if (key === "underFivePercentAtTwenty") return { atLeast: 3 };
    if (key.startsWith("cacheBytesVsBudget:8k")) return { atMost: 1.15 };
    if (key.startsWith("prefillVsFull:")) return { atMost: 1.3 };
    if (key.startsWith("stepVsRandom:")) return { atMost: 1.15 };
    return undefined;
  };
  return Object.fromEntries(Object.keys(ratios).flatMap((key) => (wanted(key) ? [[key, wanted(key) as Target]] : [])));
}

const recall: readonly string[] = ["needle", "key-value"];

/** Recall says something about a policy only where the model itself can do it. */
function gate(ratios: Record<string, number>): Check {
  const shares = (["needle", "key-value"] as const).map((task) => [task, ratios[`exact:${task}:100 %:full`]] as const);
  return {
    name: "the full cache answers at least 90 % of the recall questions",
    passed: shares.every(([, share]) => share === undefined || share >= 90),
    detail: shares
      .map(([task, share]) => `${task} ${share === undefined ? "not run" : `${share.toFixed(0)} %`}`)
      .join(", "),
  };
}
