import type { GenerateResult } from "../../src/generate-options.js";
import { Quire } from "../../src/quire.js";
import { ResultsSoFar } from "../cache/results-so-far.js";
import type { Bench, BenchOptions, Check, Findings, Row } from "../lib/report.js";
import { pairedRatio, type Spread, spread } from "../lib/statistics.js";
import { distinctShare, meanPairDistance } from "./diversity.js";
import { questions } from "./questions.js";

/** Several answers to each of ten questions: as a tree of segments, and as independent samples that share the prompt, with the same
 *  number of answers, in turns. */

export const treepoBench: Bench = { title: "Several answers as a tree", run };

const segment = 16;
const maxTokens = 128;
const temperature = 0.8;

interface Contender {
  readonly name: string;
  readonly decoder: string;
}

function contenders(width: number): Contender[] {
  return [
    { name: "treepo", decoder: `treepo:width=${width},segment=${segment}` },
    { name: "treepo, no fallback", decoder: `treepo:width=${width},segment=${segment},fallback=none` },
    { name: "independent", decoder: `independent:width=${width}` },
  ];
}

interface Outcome {
  readonly answers: number;
  /** Rows computed beyond the prompt, and tokens of all answers together. */
  readonly rows: number;
  readonly tokens: number;
  /** Most entries in memory at once, beyond the prompt. */
  readonly entries: number;
  readonly seconds: number;
  readonly distinct: number;
  readonly distance: number;
  /** Answers that are right: one at least, and the share of all, weighted. */
  readonly anyRight: number;
  readonly shareRight: number;
  readonly weights: number;
  readonly regrown: number;
}

async function run(options: BenchOptions): Promise<Findings> {
  const { quick, seed, progress } = options;
  const name = options.model ?? "smollm2-135m-instruct";
  const threads = options.threads ?? (quick ? 1 : 2);
  const widths = quick ? [8] : [8, 16];
  const asked = questions.slice(0, quick ? 2 : undefined);
  const most = quick ? 48 : maxTokens;
  const soFar = await ResultsSoFar.open<Outcome>("treepo", name, String(threads), String(seed), String(most));
  const quire = await Quire.open(name, { threads });
  try {
    const outcomes = new Map<string, Outcome[]>();
    for (const width of widths) {
      for (const [number, { prompt, right }] of asked.entries()) {
        const turn = number % 2 === 0 ? contenders(width) : contenders(width).reverse();
        // The prompt is read and known before anyone is timed.
        await quire.generate(prompt, { maxTokens: 1 });
        for (const { name: contender, decoder } of turn) {
          const key = `${width} ${number} ${contender}`;
          const outcome =
            (quick ? undefined : soFar.get(key)) ??
            outcomeOf(
              await quire.generate(prompt, { decoder, maxTokens: most, temperature, seed: seed + number }),
              quire.encodeChat(prompt).length,
              right,
            );
          if (!quick) await soFar.add({ [key]: outcome });
          const all = outcomes.get(`${width} ${contender}`) ?? [];
          outcomes.set(`${width} ${contender}`, [...all, outcome]);
          progress(`${width} answers, question ${number + 1} of ${asked.length}, ${contender}: ${outcome.rows} rows`);
        }
      }
    }
    return findings(outcomes, widths, { name, threads, most, questions: asked.length });
  } finally {
    await quire.close();
  }
}

function outcomeOf({ text, tokens, answers, usage, stats }: GenerateResult, prompt: number, right: RegExp): Outcome {
  const all = answers ?? [{ text, tokens, weight: 1 }];
  const { rows = 0, peakEntries = 0, answerTokens = 0, regrown = 0 } = stats.decode;
  const weights = all.reduce((sum, { weight = 0 }) => sum + weight, 0);
  return {
    answers: all.length,
    rows,
    tokens: answerTokens,
    entries: peakEntries - prompt,
    seconds: usage.seconds,
    distinct: distinctShare(all.map((answer) => answer.tokens)),
    distance: meanPairDistance(all.map((answer) => answer.tokens)),
    anyRight: all.some((answer) => right.test(answer.text)) ? 1 : 0,
    shareRight: all.reduce((sum, answer) => sum + (right.test(answer.text) ? (answer.weight ?? 0) : 0), 0) / weights,
    weights,
    regrown,
  };
}

function findings(
  outcomes: ReadonlyMap<string, readonly Outcome[]>,
  widths: readonly number[],
  setting: { name: string; threads: number; most: number; questions: number },
): Findings {
  const rows: Row[] = [];
  const ratios: Record<string, number> = {};
  const targets: Record<string, { atLeast?: number; atMost?: number }> = {};
  const checks: Check[] = [];
  const notes: string[] = [];
  for (const width of widths) {
    const of = (contender: string) => outcomes.get(`${width} ${contender}`) ?? [];
    const base = of("independent");
    for (const { name } of contenders(width)) {
      const all = of(name);
      const each = (value: (one: Outcome) => number) => all.map(value);
      rows.push({
        setting: `${width} answers`,
        contender: name,
        measures: {
          answers: mean(each(({ answers }) => answers)),
          rows: mean(each((one) => one.rows)),
          share: spread(each((one) => one.rows / one.tokens)),
          entries: mean(each(({ entries }) => entries)),
          speed: spread(each((one) => one.tokens / one.seconds)),
          seconds: mean(each(({ seconds }) => seconds)),
          distinct: mean(each(({ distinct }) => distinct)),
          distance: mean(each(({ distance }) => distance)),
          anyRight: mean(each(({ anyRight }) => anyRight)),
          shareRight: mean(each(({ shareRight }) => shareRight)),
        },
      });
    }
    const tree = of("treepo");
    // Of two series of the same questions: how much less the tree needs for a token of an answer.
    const saved = (value: (one: Outcome) => number) => 1 - pairedRatio(tree.map(value), base.map(value));
    ratios[`rowsSaved${width}`] = saved((one) => one.rows / one.tokens);
    ratios[`entriesSaved${width}`] = saved((one) => one.entries / one.tokens);
    ratios[`timeSaved${width}`] = saved((one) => one.seconds / one.tokens);
    ratios[`allRowsSaved${width}`] = saved((one) => one.rows);
    targets[`rowsSaved${width}`] = { atLeast: 0.22 };
    const full = [...tree, ...base].every(({ answers }) => answers === width);
    checks.push({
      name: `${width} answers`,
      passed: full,
      detail: full ? "treepo and independent gave as many to every question" : "some questions got fewer",
    });
    const whole = [...tree, ...of("treepo, no fallback"), ...base].every(({ weights }) => Math.abs(weights - 1) < 1e-9);
    checks.push({ name: `weights of ${width}`, passed: whole, detail: "sum to 1 for every question" });
    const regrown = tree.reduce((sum, one) => sum + one.regrown, 0);
    notes.push(
      `Of treepo's ${tree.length * width} answers (${width} a question), ${regrown} were regrown on others and have no weight.`,
    );
  }
  const { name, threads, most, questions: count } = setting;
  return {
    title: `Several answers as a tree: ${name}`,
    summary: `${count} questions, answers of at most ${most} tokens at temperature ${temperature}, segments of ${segment} tokens, two copies at a split, ${threads} ${threads === 1 ? "thread" : "threads"}. Both draw all answers to a question side by side in one sequence and read its prompt once. Rows: tokens evaluated beyond the prompt. Means over questions, or medians with quartiles in brackets; figures below are medians over questions of the same question's two runs, by token of an answer, because a tree's answers tend to be longer.`,
    columns: {
      answers: { title: "answers", unit: "", digits: 1, better: "neither" },
      rows: { title: "rows", unit: "", digits: 0, better: "lower" },
      share: { title: "rows a token of an answer", unit: "", digits: 2, better: "lower" },
      entries: { title: "most entries", unit: "", digits: 0, better: "lower" },
      speed: { title: "answers", unit: "tokens/s", digits: 1, better: "higher" },
      seconds: { title: "time", unit: "s", digits: 1, better: "lower" },
      distinct: { title: "distinct", unit: "", digits: 2, better: "higher" },
      distance: { title: "mean distance of two", unit: "", digits: 2, better: "higher" },
      anyRight: { title: "one is right", unit: "", digits: 2, better: "higher" },
      shareRight: { title: "right, weighted", unit: "", digits: 2, better: "higher" },
    },
    rows,
    ratios,
    targets,
    checks,
    charts: [
      { measure: "rows", title: "Rows computed for all answers to a question" },
      { measure: "share", title: "Rows a token of an answer" },
      { measure: "speed", title: "Tokens of answers a second" },
      { measure: "distance", title: "How different two answers are" },
    ],
    versions: {},
    notes: [
      ...notes,
      "Most entries: beyond the prompt, at once; independent samples hold each answer by itself, and give its entries back when it ends.",
    ],
  };
}

function mean(values: readonly number[]): Spread {
  const value = values.reduce((sum, one) => sum + one, 0) / values.length;
  return { value, low: value, high: value, n: values.length };
}
