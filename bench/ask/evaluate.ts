import type { AskQuestion, GoldPlace } from "./question.js";
import { type Random, random } from "./random.js";

/** Scores answers to questions whose answers and places are known. It knows nothing of how they were found: it is given a
 *  function that answers and one that reads the documents. */

export interface AskedEvidence {
  readonly file: string;
  readonly startByte: number;
  readonly endByte: number;
  readonly quote: string;
  /** The whole passage the quote is from, where the quote is only part of what was found. */
  readonly passage?: { readonly startByte: number; readonly endByte: number };
}

export interface AskedAnswer {
  readonly answer: string;
  readonly unsupported: boolean;
  /** In order of rank. */
  readonly evidence: readonly AskedEvidence[];
  /** What the answer's [n] stand for; all of `evidence` is checked as well. */
  readonly citations?: readonly (AskedEvidence & { readonly n?: number })[];
  readonly answeredBy?: string;
  readonly usage?: { readonly promptTokens: number; readonly completionTokens: number; readonly seconds: number };
}

export interface EvaluateOptions {
  readonly questions: readonly AskQuestion[];
  askOne(question: AskQuestion): Promise<AskedAnswer>;
  /** The text that byte ranges of a file refer to; undefined if there is no such file. */
  readText(file: string): Promise<string | undefined>;
  readonly seed?: number;
  onProgress?(done: number, total: number): void;
}

export interface AskRow {
  readonly id: string;
  readonly kind: AskQuestion["kind"];
  readonly wording: AskQuestion["wording"];
  readonly question: string;
  readonly answer: string;
  readonly unsupported: boolean;
  readonly answeredBy: string | undefined;
  /** Share of the gold places that a passage among the first five covers. */
  readonly recallAt5: number;
  readonly recallAt1: number;
  /** An accepted answer stands in the answer as whole words, and it was not called unsupported. */
  readonly right: boolean;
  /** The answer, without citations and sentence frame, is an accepted one. */
  readonly exact: boolean;
  /** A citation's quote overlaps a gold place. */
  readonly citesGold: boolean;
  readonly citations: number;
  readonly falseCitations: number;
  readonly seconds: number;
}

export interface Rate {
  readonly mean: number;
  /** 95 % by bootstrap over questions, 2,000 times. */
  readonly low: number;
  readonly high: number;
  readonly n: number;
}

export type AskMeasure =
  | "recallAt1"
  | "recallAt5"
  | "right"
  | "exact"
  | "citesGold"
  | "abstained"
  | "falseCitations"
  | "seconds";

export interface AskSummary {
  /** "all", "answerable", a kind, or kind and wording. */
  readonly group: string;
  readonly rates: Readonly<Partial<Record<AskMeasure, Rate>>>;
}

export async function evaluateAsk(options: EvaluateOptions): Promise<{ rows: AskRow[]; summary: AskSummary[] }> {
  const { questions, seed = 1 } = options;
  const texts = new Map<string, Promise<Buffer | undefined>>();
  const bytesOf = (file: string) => {
    const known = texts.get(file);
    if (known !== undefined) return known;
    const reading = options.readText(file).then((text) => (text === undefined ? undefined : Buffer.from(text, "utf8")));
    texts.set(file, reading);
    return reading;
  };
  const rows: AskRow[] = [];
  for (const question of questions) {
    rows.push(await score(question, await options.askOne(question), bytesOf));
    options.onProgress?.(rows.length, questions.length);
  }
  return { rows, summary: summarise(rows, seed) };
}

type BytesOf = (file: string) => Promise<Buffer | undefined>;

async function score(question: AskQuestion, asked: AskedAnswer, bytesOf: BytesOf): Promise<AskRow> {
  const { id, kind, wording, gold, answers } = question;
  const covered = async (most: number): Promise<number> => {
    let found = 0;
    for (const place of gold) {
      for (const one of asked.evidence.slice(0, most)) {
        if (await covers({ ...one, ...one.passage }, place, bytesOf)) {
          found += 1;
          break;
        }
      }
    }
    return gold.length === 0 ? 1 : found / gold.length;
  };
  const shown = [...(asked.citations ?? []), ...asked.evidence];
  let falseCitations = danglingNumbers(asked);
  for (const one of shown) if (!(await holds(one, bytesOf))) falseCitations += 1;
  let citesGold = false;
  for (const one of asked.citations ?? []) {
    for (const place of gold) citesGold ||= await covers(one, place, bytesOf);
  }
  const plain = normalise(asked.answer);
  return {
    id,
    kind,
    wording,
    question: question.question,
    answer: asked.answer,
    unsupported: asked.unsupported,
    answeredBy: asked.answeredBy,
    recallAt1: await covered(1),
    recallAt5: await covered(5),
    right: !asked.unsupported && answers.some((answer) => ` ${plain} `.includes(` ${normalise(answer)} `)),
    exact: !asked.unsupported && answers.some((answer) => plain === normalise(answer)),
    citesGold,
    citations: shown.length,
    falseCitations,
    seconds: asked.usage?.seconds ?? 0,
  };
}

/** [n] in the answer without an n-th piece of evidence. */
function danglingNumbers({ answer, evidence }: AskedAnswer): number {
  const outsideCode = answer.replace(/(`+)[\s\S]*?\1/g, "");
  return [...outsideCode.matchAll(/\[(\d+)\]/g)].filter(([, n]) => Number(n) < 1 || Number(n) > evidence.length).length;
}

async function holds(one: AskedEvidence, bytesOf: BytesOf): Promise<boolean> {
  const bytes = await bytesOf(one.file);
  return one.quote !== "" && bytes?.subarray(one.startByte, one.endByte).toString("utf8") === one.quote;
}

async function covers(range: Omit<AskedEvidence, "quote">, gold: GoldPlace, bytesOf: BytesOf): Promise<boolean> {
  if (range.file !== gold.file) return false;
  if (gold.startByte !== undefined && gold.endByte !== undefined) {
    const shared = Math.min(range.endByte, gold.endByte) - Math.max(range.startByte, gold.startByte);
    return shared >= (gold.endByte - gold.startByte) / 2;
  }
  const text = (await bytesOf(range.file))?.subarray(range.startByte, range.endByte).toString("utf8") ?? "";
  return oneSpace(text).includes(oneSpace(gold.phrase));
}

function oneSpace(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** Lower case, no citations, punctuation, articles or thousands separators, one space. */
export function normalise(text: string): string {
  return oneSpace(
    text
      .toLowerCase()
      .normalize("NFKC")
      .replace(/\[\d+\]/g, " ")
      .replace(/(\d),(?=\d{3}(?!\d))/g, "$1")
      .replace(/(?<!\d)[.:](?!\d)|[.:](?=\s|$)|[^\p{L}\p{M}\p{N}.:/_+-]/gu, " ")
      .replace(/\b(a|an|the)\b/g, " "),
  );
}

function summarise(rows: readonly AskRow[], seed: number): AskSummary[] {
  const draw = random(seed);
  const answerable = rows.filter(({ kind }) => kind !== "none");
  const groups: [string, readonly AskRow[]][] = [
    ["all", rows],
    ["answerable", answerable],
    ...(["single", "two-hop", "none"] as const).map((kind): [string, AskRow[]] => [
      kind,
      rows.filter((row) => row.kind === kind),
    ]),
    ...(["single", "two-hop", "none"] as const).flatMap((kind) =>
      (["direct", "paraphrase"] as const).map((wording): [string, AskRow[]] => [
        `${kind}, ${wording}`,
        rows.filter((row) => row.kind === kind && row.wording === wording),
      ]),
    ),
  ];
  return groups.flatMap(([group, of]) => (of.length === 0 ? [] : [{ group, rates: ratesOf(group, of, draw) }]));
}

function ratesOf(group: string, rows: readonly AskRow[], draw: Random): AskSummary["rates"] {
  const rate = (value: (row: AskRow) => number) => bootstrap(rows.map(value), draw);
  const shared = {
    abstained: rate((row) => Number(row.unsupported)),
    // Every question counts once: false when any citation shown with it is.
    falseCitations: rate((row) => Number(row.falseCitations > 0)),
    seconds: rate((row) => row.seconds),
  };
  if (group.startsWith("none")) return shared;
  if (group === "all")
    return { right: rate((row) => Number(row.kind === "none" ? row.unsupported : row.right)), ...shared };
  return {
    recallAt1: rate((row) => row.recallAt1),
    recallAt5: rate((row) => row.recallAt5),
    right: rate((row) => Number(row.right)),
    exact: rate((row) => Number(row.exact)),
    citesGold: rate((row) => Number(row.citesGold)),
    ...shared,
  };
}

export function bootstrap(values: readonly number[], draw: Random, times = 2000): Rate {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const means = Array.from({ length: times }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += values[draw.below(n)] ?? 0;
    return sum / n;
  }).sort((a, b) => a - b);
  const at = (share: number) => means[Math.min(times - 1, Math.floor(share * times))] ?? mean;
  return { mean, low: at(0.025), high: at(0.975), n };
}

/** The summary as a Markdown table. */
export function askTable(summary: readonly AskSummary[]): string {
  const columns: readonly [AskMeasure, string][] = [
    ["recallAt1", "recall@1"],
    ["recallAt5", "recall@5"],
    ["right", "answer right"],
    ["exact", "exact"],
    ["citesGold", "cites the place"],
    ["abstained", "“not stated”"],
    ["falseCitations", "false citations"],
  ];
  const percent = (value: number) => `${Math.round(value * 100)}`;
  const cell = (rate: Rate | undefined) =>
    rate === undefined ? "" : `${percent(rate.mean)} % (${percent(rate.low)}–${percent(rate.high)})`;
  const head = ["questions", "n", ...columns.map(([, title]) => title)];
  const body = summary.map(({ group, rates }) => [
    group,
    String(rates.abstained?.n ?? 0),
    ...columns.map(([measure]) => cell(rates[measure])),
  ]);
  return [head, head.map(() => "---"), ...body].map((row) => `| ${row.join(" | ")} |`).join("\n");
}
