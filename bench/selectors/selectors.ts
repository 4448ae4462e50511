import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { passageValues } from "../../src/corpus/select/combine/passage-values.js";
import { corag } from "../../src/corpus/select/corag.js";
import { hybrid } from "../../src/corpus/select/hybrid.js";
import { meteora } from "../../src/corpus/select/meteora.js";
import { mmr } from "../../src/corpus/select/mmr.js";
import { rerank } from "../../src/corpus/select/rerank.js";
import type { Evidence, SelectContext, Selector } from "../../src/corpus/select/selector.js";
import { topk } from "../../src/corpus/select/topk.js";
import { type Corpus, openCorpus } from "../../src/corpus-session.js";
import { Embedder } from "../../src/engine/embedder.js";
import { likelihoodOf } from "../../src/programs/likelihood.js";
import { Quire } from "../../src/quire.js";
import { resolveModel } from "../../src/weights/resolve-model.js";
import { bootstrap } from "../ask/evaluate.js";
import { random } from "../ask/random.js";
import type { Bench, BenchOptions, Check, Findings, Row } from "../lib/report.js";
import { type SelectorCase, writeCases } from "./cases.js";
import { areaUnderCurve, type SelectionScore, scoreSelection } from "./score.js";
import { bySurprise, byVerifier, detect, scriptedReader, type VerifiedCase } from "./verifiers.js";

/** What selectors find within the same number of tokens, on documents where everything is known to the byte: with embeddings for all
 *  questions, with a small model's likelihoods and rationales for some. */

export const selectorsBench: Bench = { title: "Choosing passages", run };

const chunker = "recursive:tokens=96";
const budget = { tokens: 300 };

interface Contender {
  readonly name: string;
  readonly part: Selector;
  readonly context: SelectContext;
}

async function run(options: BenchOptions): Promise<Findings> {
  const { quick, seed, progress } = options;
  const threads = options.threads ?? 1;
  const modelName = options.model ?? "smollm2-135m-instruct";
  const root = await mkdtemp(join(tmpdir(), "quire-bench-selectors-"));
  const quire = await Quire.open(modelName, { threads });
  const embedder = await Embedder.open((await resolveModel("all-minilm-l6-v2", {})).path, { threads, device: "cpu" });
  try {
    const folder = join(root, "docs");
    const size = quick ? { documents: 15, questions: 10 } : { documents: 30, questions: 40 };
    const cases = await writeCases(folder, { seed, ...size, poisoned: 0.3 });
    await using corpus = await openCorpus(folder, {
      model: quire.languageModel(),
      chunker,
      threads,
      indexFolder: join(root, "index"),
      onNotice: progress,
    });
    const { chunks } = await corpus.index.stats();
    progress(`${cases.length} questions, ${chunks} passages`);
    const model = quire.languageModel();
    const embed: SelectContext["embed"] = async (texts, signal) => embedder.embed(texts, { signal });
    const base: SelectContext = { countTokens: (text) => model.countTokens(text), embed, seed };
    const asked = async (prompt: string, settings: Parameters<NonNullable<SelectContext["generate"]>>[1]) => {
      const { text } = await model.generate({ messages: [{ role: "user", content: prompt }], ...settings });
      return text;
    };
    const withModel: SelectContext = { ...base, logLikelihood: likelihoodOf(model), generate: asked };
    const rows: Row[] = [];
    const notes: string[] = [];
    const checks: Check[] = [];
    const tell = (part: Selector) => (done: number, of: number) => {
      if (done % 10 === 0 || of < 20) progress(`${part.label}: ${done} of ${of}`);
    };

    const plain: Contender[] = [
      { name: "random", part: randomOrder(seed), context: base },
      { name: "topk", part: topk(), context: base },
      { name: "hybrid", part: hybrid(), context: base },
      { name: "mmr", part: mmr(), context: base },
      { name: "rerank (coverage)", part: rerank({ by: "coverage" }), context: base },
      { name: "corag (coverage)", part: corag({ reward: "coverage", iterations: 20 }), context: base },
      { name: "meteora (the question alone)", part: meteora(), context: base },
      { name: "meteora (rationales of a writer who knows)", part: meteora(), context: base },
    ];
    const chosen = new Map<string, Evidence[][]>();
    for (const contender of plain) {
      const knows = contender.name.endsWith("who knows)");
      const found = await selectAll(contender, corpus, cases, knows ? knowingWriter : undefined, tell(contender.part));
      chosen.set(contender.name, found.evidence);
      checks.push(withinBudget(contender, found.evidence));
      rows.push(...tableRows("all questions", contender.name, cases, found, seed));
    }
    // The same mean number of passages as meteora, so that it is not judged by how much it takes.
    const mean = Math.max(
      1,
      Math.round(average((chosen.get("meteora (the question alone)") ?? []).map(({ length }) => length))),
    );
    const same: Contender = { name: `topk, ${mean} passages`, part: topk(), context: base };
    const few = await selectAll(same, corpus, cases, undefined, tell(same.part), mean);
    rows.push(...tableRows("all questions", same.name, cases, few, seed));

    const some = share(cases, quick ? 1 : 2);
    const dear: Contender[] = [
      { name: "hybrid", part: hybrid(), context: base },
      { name: "rerank (likelihood)", part: rerank({ from: 10, by: "likelihood" }), context: withModel },
      { name: "corag (coverage)", part: corag({ reward: "coverage", candidates: 6, iterations: 3 }), context: base },
      { name: "corag (likelihood)", part: corag({ candidates: 6, iterations: 3 }), context: withModel },
      { name: "meteora (the model's rationales)", part: meteora({ rationales: 3 }), context: withModel },
    ];
    for (const contender of dear) {
      const found = await selectAll(contender, corpus, some, undefined, tell(contender.part));
      checks.push(withinBudget(contender, found.evidence));
      rows.push(...tableRows(`${some.length} questions, ${modelName}`, contender.name, some, found, seed));
      if (contender.name.startsWith("meteora"))
        notes.push(
          `${modelName} wrote rationales that could be read for ${some.length - found.fallbacks} of ${some.length} questions; for the others the question stood in.`,
        );
    }
    notes.push(await valuesPreferGold("coverage", corpus, cases, withModel, seed));
    notes.push(await valuesPreferGold("likelihood", corpus, some, withModel, seed));

    const poisoned = await verifiedCases(corpus, cases, base);
    const verifying: [string, readonly VerifiedCase[], (one: VerifiedCase) => Promise<readonly boolean[]>][] = [
      [
        "a verifier that follows its prompts (scripted)",
        poisoned,
        (one) => byVerifier(one, scriptedReader(one.one.question.question)),
      ],
      [
        `surprise by ${modelName}`,
        poisoned.slice(0, quick ? 2 : 8),
        (one) => bySurprise(one, withModel.logLikelihood as NonNullable<SelectContext["logLikelihood"]>),
      ],
      [`the verifier with ${modelName}`, poisoned.slice(0, quick ? 1 : 2), (one) => byVerifier(one, asked)],
    ];
    const ratios: Record<string, number> = {};
    for (const [who, among, flagsOf] of verifying) {
      const { precision, recall, f1, n } = await detect(among, flagsOf);
      progress(`verified by ${who}`);
      notes.push(
        `Planted contradictions found by ${who}: F1 ${f1.toFixed(2)}, precision ${precision.toFixed(2)}, recall ${recall.toFixed(2)} (${n} planted among the passages of ${among.length} questions).`,
      );
      ratios[`f1:${who.replace(/[^\w.-]+/g, "-")}`] = f1;
    }
    return {
      title: selectorsBench.title,
      summary: `Passages chosen within ${budget.tokens} tokens, whole chunks of up to 96. Complete: every place that holds the answer is among them, so a reader without faults could answer. Recall and precision by bytes. Values with their 95 % interval by bootstrap over questions.`,
      columns: {
        complete: { title: "complete", unit: "%", digits: 0, better: "higher" },
        recall: { title: "recall", unit: "%", digits: 0, better: "higher" },
        precision: { title: "precision", unit: "%", digits: 1, better: "higher" },
        ndcg: { title: "nDCG", unit: "%", digits: 0, better: "higher" },
        passages: { title: "passages", unit: "", digits: 1, better: "neither" },
        tokens: { title: "tokens", unit: "", digits: 0, better: "lower" },
        seconds: { title: "time", unit: "s", digits: 3, better: "lower" },
      },
      rows,
      ratios,
      targets: {},
      checks,
      charts: [
        {
          measure: "complete",
          title: "Everything needed was chosen",
          settings: ["all questions: single", "all questions: two-hop"],
        },
      ],
      versions: {},
      notes,
    };
  } finally {
    await embedder.close();
    await quire.close();
    await rm(root, { recursive: true, force: true });
  }
}

interface Found {
  readonly evidence: Evidence[][];
  readonly tokens: number[];
  readonly seconds: number[];
  readonly fallbacks: number;
}

async function selectAll(
  { part, context }: Contender,
  corpus: Corpus,
  cases: readonly SelectorCase[],
  writer: ((one: SelectorCase) => NonNullable<SelectContext["generate"]>) | undefined,
  tell: (done: number, of: number) => void,
  passages?: number,
): Promise<Found> {
  const found: Found & { fallbacks: number } = { evidence: [], tokens: [], seconds: [], fallbacks: 0 };
  for (const one of cases) {
    const started = performance.now();
    const own: SelectContext = {
      ...context,
      ...(writer === undefined ? {} : { generate: writer(one) }),
      onNote: ({ kind }) => {
        if (kind === "fallback") found.fallbacks += 1;
      },
    };
    const evidence = await part.select(one.question.question, corpus.index, { ...budget, passages }, own);
    found.seconds.push((performance.now() - started) / 1000);
    found.evidence.push(evidence);
    found.tokens.push(evidence.reduce((sum, { chunk }) => sum + context.countTokens(shown(chunk)), 0));
    tell(found.evidence.length, cases.length);
  }
  return found;
}

const shown = ({ header, text }: Evidence["chunk"]) => (header === "" ? text : `${header}\n${text}`);

/** Rationales as one would write them who knows how the documents put it: an upper bound for what better ones can do. */
function knowingWriter({ question }: SelectorCase): NonNullable<SelectContext["generate"]> {
  const text = question.gold.map(
    ({ phrase }, i) => `<rationale_${i + 1}>[place] ${withoutAnswer(phrase, question.answers)}</rationale_${i + 1}>`,
  );
  return async () => text.join("\n");
}

function withoutAnswer(phrase: string, answers: readonly string[]): string {
  return answers.reduce((text, answer) => text.replaceAll(answer, "something"), phrase);
}

function randomOrder(seed: number): Selector {
  const draw = random(seed);
  return {
    kind: "selector",
    name: "random",
    label: "random",
    async select(question, source, most, { countTokens }) {
      const found = draw.shuffle(await source.search(question, { k: 50 }));
      let left = most.tokens;
      return found.flatMap(({ chunk }) => {
        const tokens = countTokens(shown(chunk));
        if (tokens > left) return [];
        left -= tokens;
        return [{ chunk, score: 0, reason: "Drawn at random.", by: "random" }];
      });
    },
  };
}

function tableRows(set: string, contender: string, cases: readonly SelectorCase[], found: Found, seed: number): Row[] {
  const draw = random(seed);
  const scores = cases.map(({ question }, i) => scoreSelection(found.evidence[i] ?? [], question.gold));
  const groups = [
    ["single", cases.map(({ question }) => question.kind === "single")],
    ["two-hop", cases.map(({ question }) => question.kind === "two-hop")],
  ] as const;
  return groups.flatMap(([kind, within]) => {
    const indices = [...cases.keys()].filter((i) => within[i]);
    if (indices.length === 0) return [];
    const rate = (of: (i: number) => number, scale = 1) => {
      const { mean, low, high, n } = bootstrap(indices.map(of), draw);
      return { value: mean * scale, low: low * scale, high: high * scale, n };
    };
    const quality = (name: keyof SelectionScore) => rate((i) => scores[i]?.[name] ?? 0, 100);
    return [
      {
        setting: `${set}: ${kind}`,
        contender,
        measures: {
          complete: quality("complete"),
          recall: quality("recall"),
          precision: quality("precision"),
          ndcg: quality("ndcg"),
          passages: rate((i) => found.evidence[i]?.length ?? 0),
          tokens: rate((i) => found.tokens[i] ?? 0),
          seconds: rate((i) => found.seconds[i] ?? 0),
        },
      },
    ];
  });
}

function withinBudget({ name, context }: Contender, evidence: readonly (readonly Evidence[])[]): Check {
  const over = evidence.filter(
    (one) => one.reduce((sum, { chunk }) => sum + context.countTokens(shown(chunk)), 0) > budget.tokens,
  );
  return {
    name: `within ${budget.tokens} tokens: ${name}`,
    passed: over.length === 0,
    detail: `${evidence.length} selections, ${over.length} over`,
  };
}

/** Whether a value prefers what it should find: the gold passages against as many others from the same search. */
async function valuesPreferGold(
  kind: "coverage" | "likelihood",
  corpus: Corpus,
  cases: readonly SelectorCase[],
  context: SelectContext,
  seed: number,
): Promise<string> {
  const draw = random(seed);
  const areas: number[] = [];
  for (const { question } of cases) {
    const found = await corpus.search(question.question, { k: 30 });
    const holds = found.map(({ chunk }) =>
      question.gold.some(
        ({ file, startByte = 0 }) => file === chunk.uri && chunk.startByte <= startByte && startByte < chunk.endByte,
      ),
    );
    const gold = [...found.keys()].filter((i) => holds[i]);
    const rest = draw.shuffle([...found.keys()].filter((i) => !holds[i]));
    if (gold.length < question.gold.length || rest.length < 3 * gold.length) continue;
    const others = [0, 1, 2].map((turn) => rest.slice(turn * gold.length, (turn + 1) * gold.length));
    const values = await passageValues(kind, question.question, found, context);
    const [own, ...theirs] = await values.valuesOf([gold, ...others]);
    areas.push(areaUnderCurve([own ?? 0], theirs));
  }
  return `The value by ${kind} is larger for the passages that hold the answer than for as many others of the same search in ${(average(areas) * 100).toFixed(0)} % of pairs (${areas.length} questions).`;
}

/** What a verifier gets to see: the right passage, the planted one, and two others, in document order. */
async function verifiedCases(
  corpus: Corpus,
  cases: readonly SelectorCase[],
  context: SelectContext,
): Promise<VerifiedCase[]> {
  const made: VerifiedCase[] = [];
  for (const one of cases) {
    if (one.question.kind !== "single") continue;
    const evidence = await hybrid().select(one.question.question, corpus.index, { tokens: 400, passages: 4 }, context);
    evidence.sort((a, b) =>
      a.chunk.uri === b.chunk.uri ? a.chunk.order - b.chunk.order : a.chunk.uri < b.chunk.uri ? -1 : 1,
    );
    made.push({ one, evidence });
  }
  // Every third has a planted passage, as far as there are any, so that the first few are like all.
  const [spoilt, clean] = [true, false].map((planted) =>
    made.filter(({ one }) => (one.planted !== undefined) === planted),
  );
  const mixed: VerifiedCase[] = [];
  while ((spoilt?.length ?? 0) + (clean?.length ?? 0) > 0) {
    const next = (mixed.length % 3 === 0 ? spoilt?.shift() : undefined) ?? clean?.shift() ?? spoilt?.shift();
    if (next !== undefined) mixed.push(next);
  }
  return mixed;
}

function share(cases: readonly SelectorCase[], each: number): SelectorCase[] {
  const kinds = ["single", "two-hop"] as const;
  return kinds.flatMap((kind) => cases.filter(({ question }) => question.kind === kind).slice(0, each));
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
