import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ChunkContext } from "../../src/corpus/chunk/chunker.js";
import { codeUnits } from "../../src/corpus/chunk/code/code-units.js";
import { tokenMeasure } from "../../src/corpus/chunk/code/token-measure.js";
import { sentences } from "../../src/corpus/chunk/sentence-spans.js";
import type { Chunk } from "../../src/corpus/document.js";
import { openCorpus, openEmbedder } from "../../src/corpus-session.js";
import { partOf } from "../../src/methods.js";
import { chunkingWith } from "../../src/programs/chunk-model.js";
import { Quire } from "../../src/quire.js";
import { fetchDebianPackage, questionsThatHold } from "../ask/debian-package.js";
import { debianPolicyQuestions } from "../ask/debian-policy.js";
import { bootstrap } from "../ask/evaluate.js";
import { generateCorpus } from "../ask/generate.js";
import type { AskQuestion } from "../ask/question.js";
import { random } from "../ask/random.js";
import type { Bench, BenchOptions, Check, Findings, Row } from "../lib/report.js";
import { type Spread, single } from "../lib/statistics.js";
import { type BoundaryScores, boundaryScores, type JoinedText, joinedProse } from "./boundaries.js";
import { type Cost, cutsOf, cutText, timed } from "./cut.js";
import { documentedFunctions, gluedSources, sourceFiles } from "./documented-functions.js";
import { FinishedParts, type Part } from "./finished.js";
import { oneCallASentence } from "./one-call-a-sentence.js";
import { type Found, findFor } from "./retrieval.js";

/** Chunkers side by side: how near their cuts come to known ones, how well questions find their places through them, and what
 *  cutting costs. */

export const chunkersBench: Bench = { title: "Chunkers", run };

interface Sizes {
  readonly documents: number;
  readonly questions: number;
  readonly joined: number;
  readonly glued: number;
  readonly functions: number;
  readonly policyCharacters: number;
  readonly speedCharacters: number;
  /** Whether to ask a model once a sentence, or once a unit of code. */
  readonly asks: boolean;
}

const quickSizes: Sizes = {
  ...{ documents: 10, questions: 40, joined: 2, glued: 1, functions: 40, policyCharacters: 16_000 },
  ...{ speedCharacters: 1200, asks: true },
};
const fullSizes: Sizes = {
  ...{
    documents: 120,
    questions: 200,
    joined: 40,
    glued: 20,
    functions: 150,
    policyCharacters: Number.POSITIVE_INFINITY,
  },
  ...{ speedCharacters: 24_000, asks: true },
};

const searchTokens = 120;
const codeTokens = 256;
const shownTokens = 500;
const speedWindow = 256;
const partsOfText = 3;

interface Bed {
  readonly options: BenchOptions;
  readonly sizes: Sizes;
  readonly quire: Quire;
  readonly context: ChunkContext;
  readonly root: string;
  readonly finished: FinishedParts;
  readonly rows: Row[];
  readonly notes: string[];
  readonly checks: Check[];
  readonly ratios: Record<string, number>;
}

const tasks: Readonly<Record<string, (bed: Bed) => Promise<void>>> = {
  code: codeSearch,
  "code-cuts": codeBoundaries,
  speed,
  cuts: proseBoundaries,
  search: generatedSearch,
  policy: policySearch,
};

async function run(options: BenchOptions): Promise<Findings> {
  const modelName = options.model ?? "smollm2-135m-instruct";
  const root = await mkdtemp(join(tmpdir(), "quire-bench-chunkers-"));
  const quire = await Quire.open(modelName, { threads: options.threads, prefixSharing: false });
  const settings = [modelName, String(options.seed), String(options.quick)];
  const finished = await FinishedParts.open(...settings);
  const embedder = await openEmbedder("all-minilm-l6-v2", { threads: options.threads });
  const model = quire.languageModel();
  const bed: Bed = {
    ...{ options, quire, root, finished, rows: [], notes: [], checks: [], ratios: {} },
    sizes: options.quick ? quickSizes : fullSizes,
    context: {
      ...chunkingWith(model, (notice) => bed.notes.push(notice)),
      countTokens: model.countTokens,
      embed: async (texts, signal) => embedder?.embed(texts, { signal }) ?? [],
    },
  };
  try {
    for (const [name, task] of Object.entries(tasks)) {
      if (options.tasks === undefined || options.tasks.split(",").includes(name)) await task(bed);
    }
  } finally {
    await embedder?.close();
    await quire.close();
    await rm(root, { recursive: true, force: true });
  }
  const { rows, notes, checks, ratios } = bed;
  notes.push(
    "Parts that an earlier run of the same program had finished are taken from it. The first row bears the tokenizer's first use.",
  );
  return {
    title: chunkersBench.title,
    summary: `Model of all that ask one: ${modelName}; embeddings: all-minilm-l6-v2, hybrid search (source code: by words alone). Recall: share of the bytes of the places that answer a question among the first ${shownTokens} tokens found, the same for all chunkers; answer: an accepted answer stands in them; nDCG over the first ten chunks. F1: cuts within one sentence (one unit of code) of a true one; WindowDiff: share of windows with a wrong number of cuts. In brackets 95 % intervals by bootstrap over questions or texts. Time is processor time of cutting alone, all threads together.`,
    columns: {
      recall: { title: "recall", unit: "%", digits: 0, better: "higher" },
      ndcg: { title: "nDCG@10", unit: "%", digits: 0, better: "higher" },
      answer: { title: "answer found", unit: "%", digits: 0, better: "higher" },
      f1: { title: "F1 ±1", unit: "%", digits: 0, better: "higher" },
      windowDiff: { title: "WindowDiff", unit: "", digits: 2, better: "lower" },
      chunks: { title: "chunks", unit: "", digits: 0, better: "neither" },
      tokens: { title: "tokens a chunk", unit: "", digits: 0, better: "neither" },
      cpuSeconds: { title: "processor time", unit: "s", digits: 2, better: "lower" },
    },
    rows,
    ratios,
    targets: { perplexityVsOneCallASentence: { atLeast: 3 }, sameBoundaries: { atLeast: 1 } },
    checks,
    charts: [{ measure: "recall", title: `Recall at ${shownTokens} tokens` }].filter(({ measure }) =>
      rows.some(({ measures }) => measures[measure] !== undefined),
    ),
    versions: {},
    notes,
  };
}

/** Rows and figures of one part of the bench, from an earlier run where that got so far. */
async function part(bed: Bed, name: string, work: () => Promise<Part>): Promise<void> {
  const { rows, ratios } = await bed.finished.once(name, work);
  bed.rows.push(...rows);
  Object.assign(bed.ratios, ratios);
}

async function speed(bed: Bed): Promise<void> {
  const { sizes, options } = bed;
  const [{ text } = { text: "" }] = joinedProse(options.seed + 7, 1, Math.ceil(sizes.speedCharacters / 500));
  const prose = text.slice(0, sizes.speedCharacters);
  await part(bed, "speed", () => measureSpeed(bed, prose));
  bed.notes.push(
    `Speed is measured on ${prose.length} characters of one text, not on 1 MB: by a call a sentence that takes too long. The ratio grows with the window, because each call reads what stands before its sentence.`,
  );
}

async function measureSpeed({ quire, context, options }: Bed, prose: string): Promise<Part> {
  const chunker = await partOf("chunker", `meta-chunking:merge=false,theta=0,window=${speedWindow}`);
  const setting = `speed: ${Math.round(prose.length / 100) / 10} kB of prose, windows of ${speedWindow} tokens`;
  const rows: Row[] = [];
  const cuts: number[][] = [];
  const costs: Cost[] = [];
  for (const [contender, tokenLogProbs] of [
    ["one reading a window", context.model!.scoring!.tokenLogProbs],
    ["one call a sentence", oneCallASentence(quire)],
  ] as const) {
    const cost = { cpuSeconds: 0, seconds: 0 };
    const model = { ...context.model!, scoring: { ...context.model!.scoring!, tokenLogProbs } };
    const chunks = await cutText(chunker, "speed.txt", prose, { ...context, model }, cost);
    cuts.push(cutsOf(chunks));
    costs.push(cost);
    const measures = { chunks: single(chunks.length), cpuSeconds: single(cost.cpuSeconds) };
    rows.push({ setting, contender, measures });
    options.progress(`${contender}: ${chunks.length} chunks, ${cost.seconds.toFixed(0)} s`);
  }
  const [ours = [], theirs = []] = cuts;
  const same = ours.filter((cut) => theirs.includes(cut)).length;
  const ratios = {
    perplexityVsOneCallASentence: costs[1]!.cpuSeconds / costs[0]!.cpuSeconds,
    sameBoundaries: (2 * same) / Math.max(1, ours.length + theirs.length),
  };
  return { rows, ratios };
}

async function proseBoundaries(bed: Bed): Promise<void> {
  const { options, sizes, context } = bed;
  const texts = joinedProse(options.seed, sizes.joined, partsOfText);
  const starts = (text: string) => [...sentences(text, (words) => words.length)].map(({ start }) => start);
  const all = texts.map(({ text }) => context.countTokens(text)).reduce((sum, n) => sum + n, 0);
  const tokens = Math.round(all / (texts.length * partsOfText));
  const names = [
    ...[
      `fixed:tokens=${tokens}`,
      `recursive:tokens=${tokens}`,
      `sentence:tokens=${tokens}`,
      `semantic:tokens=${tokens}`,
    ],
    `meta-chunking:by=perplexity,tokens=${tokens}`,
    `meta-chunking:by=perplexity,merge=false,tokens=${tokens}`,
    ...(sizes.asks
      ? [`meta-chunking:by=margin,merge=false,tokens=${tokens}`, `meta-chunking:by=margin,tokens=${tokens}`]
      : []),
  ];
  await boundaries(
    bed,
    `cuts: ${texts.length} texts of ${partsOfText} parts`,
    texts,
    async ({ text }) => starts(text),
    names,
  );
}

async function codeBoundaries(bed: Bed): Promise<void> {
  const { options, sizes, context } = bed;
  const texts = gluedSources(await sourceFiles(), sizes.glued, options.seed);
  const limit = 1024;
  const units = async ({ text, uri }: JoinedText) => {
    const found = await codeUnits({ text, uri }, { rule: "auto", limit, measure: tokenMeasure(text, context) });
    return found.units.map(({ start }) => start);
  };
  const names = [
    ...[`fixed:tokens=${limit}`, `recursive:tokens=${limit}`, `code-chunking:tokens=${limit}`],
    ...[`code-chunking:by=ast,tokens=${limit}`, ...(sizes.asks ? [`code-chunking:by=llm,tokens=${limit}`] : [])],
  ];
  await boundaries(
    bed,
    `cuts: ${texts.length === 1 ? "one text" : `${texts.length} texts`} of 4 source files`,
    texts,
    units,
    names,
  );
}

async function boundaries(
  bed: Bed,
  setting: string,
  texts: readonly JoinedText[],
  startsOf: (text: JoinedText) => Promise<number[]>,
  names: readonly string[],
): Promise<void> {
  const { context, options } = bed;
  const starts = await Promise.all(texts.map(startsOf));
  const scored = (contender: string, cuts: readonly (readonly number[])[], extra: Row["measures"]): Part => {
    const scores = texts.map(({ joins }, i) => boundaryScores(starts[i]!, joins, cuts[i]!));
    const of = (value: (one: BoundaryScores) => number, scale: number) => interval(scores.map(value), scale);
    const f1 = of((score) => score.f1, 100);
    const windowDiff = of((score) => score.windowDiff, 1);
    options.progress(`${setting}, ${contender}: F1 ${f1.value.toFixed(0)}`);
    return { rows: [{ setting, contender, measures: { f1, windowDiff, ...extra } }], ratios: {} };
  };
  for (const name of names) {
    await part(bed, `${setting}, ${name}`, async () => {
      const cost = { cpuSeconds: 0, seconds: 0 };
      const chunker = await partOf("chunker", name);
      const cut: Chunk[][] = [];
      for (const { uri, text } of texts) cut.push(await cutText(chunker, uri, text, context, cost));
      const chunks = cut.flat();
      return scored(name, cut.map(cutsOf), {
        chunks: single(chunks.length),
        tokens: single(chunks.reduce((sum, { text }) => sum + context.countTokens(text), 0) / chunks.length),
        cpuSeconds: single(cost.cpuSeconds),
      });
    });
  }
  const draw = random(options.seed);
  await part(bed, `${setting}, random`, async () => {
    const cuts = texts.map(({ joins }, i) => draw.shuffle(starts[i]!.slice(1)).slice(0, joins.length));
    const chunks = texts.reduce((sum, { joins }) => sum + joins.length + 1, 0);
    return scored("random, as many cuts as joins", cuts, { chunks: single(chunks) });
  });
}

async function generatedSearch(bed: Bed): Promise<void> {
  const { sizes, options } = bed;
  const corpus = generateCorpus({ seed: options.seed, documents: sizes.documents, questions: sizes.questions });
  const folder = await written(bed, "generated", corpus.files);
  const questions = corpus.questions.filter(({ kind }) => kind !== "none");
  await search(
    bed,
    `search: ${corpus.files.length} generated documents, ${questions.length} questions`,
    folder,
    questions,
    [
      ...["fixed", "recursive", "sentence", "semantic", "meta-chunking"].map(
        (name) => `${name}:tokens=${searchTokens}`,
      ),
    ],
  );
}

async function policySearch(bed: Bed): Promise<void> {
  const { root, notes, sizes } = bed;
  const into = join(root, "debian");
  await mkdir(into, { recursive: true });
  const fetched = await fetchDebianPackage("debian-policy", into);
  if ("skipped" in fetched) {
    notes.push(`The real documents were left out: ${fetched.skipped}.`);
    return;
  }
  const whole = join(fetched.folder, "usr/share/doc/debian-policy/policy.html");
  const { held } = await questionsThatHold(debianPolicyQuestions, whole);
  const asked = held.filter(({ kind }) => kind !== "none");
  const { folder, questions, characters } = await shortened(bed, whole, asked, sizes.policyCharacters);
  notes.push(`Debian Policy Manual: ${fetched.file}, ${characters.toLocaleString("en")} characters of text.`);
  await search(bed, `search: Debian Policy Manual, ${questions.length} questions`, folder, questions, [
    ...["fixed", "recursive", "sentence", "semantic", "meta-chunking"].map((name) => `${name}:tokens=${searchTokens}`),
  ]);
}

/** Of a large manual the files that hold the most answers for their length, as plain text, up to a number of characters. */
async function shortened(bed: Bed, whole: string, asked: readonly AskQuestion[], most: number) {
  await using corpus = await openCorpus(whole, {
    embedder: "none",
    indexFolder: join(bed.root, "index policy"),
    keepIndex: true,
  });
  const names = [...new Set(asked.flatMap(({ gold }) => gold.map(({ file }) => file)))];
  const texts = await Promise.all(
    names.map(async (file) => ({ path: file, text: (await corpus.index.document(file)).text })),
  );
  const answers = (path: string) => asked.filter(({ gold }) => gold.some(({ file }) => file === path)).length;
  texts.sort((a, b) => answers(b.path) / b.text.length - answers(a.path) / a.text.length);
  if (!Number.isFinite(most)) {
    const characters = texts.reduce((sum, { text }) => sum + text.length, 0);
    return { folder: whole, questions: asked, characters };
  }
  const kept: { path: string; text: string }[] = [];
  let characters = 0;
  for (const file of texts) {
    if (characters + file.text.length > most) continue;
    characters += file.text.length;
    kept.push({ path: file.path.replace(/\.html$/, ".txt"), text: file.text });
  }
  const held = new Set(kept.map(({ path }) => path));
  const renamed = asked.map((question) => ({
    ...question,
    gold: question.gold.map((place) => ({ ...place, file: place.file.replace(/\.html$/, ".txt") })),
  }));
  const questions = renamed.filter(({ gold }) => gold.every(({ file }) => held.has(file)));
  return { folder: await written(bed, "policy", kept), questions, characters };
}

async function codeSearch(bed: Bed): Promise<void> {
  const { sizes, options } = bed;
  const { files, questions } = documentedFunctions(await sourceFiles(), sizes.functions, options.seed);
  const folder = await written(bed, "code", files);
  await search(
    bed,
    `search: ${questions.length} functions by the words of their comments, ${files.length} source files`,
    folder,
    questions,
    [
      ...["fixed", "recursive", "code-chunking"].map((name) => `${name}:tokens=${codeTokens}`),
      `code-chunking:by=ast,tokens=${codeTokens}`,
    ],
    "none",
  );
}

async function search(
  bed: Bed,
  setting: string,
  folder: string,
  questions: readonly AskQuestion[],
  names: readonly string[],
  embedder?: "none",
): Promise<void> {
  for (const name of names) {
    await part(bed, `${setting}, ${name}`, () => measureSearch(bed, setting, folder, questions, name, embedder));
  }
}

async function measureSearch(
  { quire, options, root, context }: Bed,
  setting: string,
  folder: string,
  questions: readonly AskQuestion[],
  name: string,
  embedder: "none" | undefined,
): Promise<Part> {
  const cost = { cpuSeconds: 0, seconds: 0 };
  const chunker = timed(await partOf("chunker", name), cost);
  const indexFolder = join(root, `index ${setting} ${name}`.replace(/[^\w]+/g, "-"));
  await using corpus = await openCorpus(folder, {
    ...{ model: quire.languageModel(), chunker, embedder, indexFolder, threads: options.threads },
  });
  const { chunks } = await corpus.index.stats();
  const all = (await corpus.index.all()).chunks;
  const tokens = all.reduce((sum, { text }) => sum + context.countTokens(text), 0) / Math.max(1, chunks);
  const found: Found[] = [];
  for (const question of questions) {
    found.push(await findFor(corpus, question, { tokens: shownTokens, countTokens: context.countTokens }));
  }
  const of = (value: (one: Found) => number) => interval(found.map(value), 100);
  const quality = { recall: of((one) => one.recall), ndcg: of((one) => one.ndcg), answer: of((one) => one.answer) };
  const costs = { chunks: single(chunks), tokens: single(tokens), cpuSeconds: single(cost.cpuSeconds) };
  const recall = quality.recall.value;
  options.progress(`${setting}, ${name}: recall ${recall.toFixed(0)} %, ${cost.seconds.toFixed(1)} s`);
  return {
    rows: [{ setting, contender: name, measures: { ...quality, ...costs } }],
    ratios: { [`recall:${setting.split(/[:,] /)[1]}:${name}`.replace(/ /g, "-")]: recall / 100 },
  };
}

async function written(
  { root }: Bed,
  name: string,
  files: readonly { readonly path: string; readonly text: string }[],
): Promise<string> {
  const folder = join(root, name);
  for (const { path, text } of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}

function interval(values: readonly number[], scale: number): Spread {
  if (values.length === 0) return single(Number.NaN);
  const { mean, low, high, n } = bootstrap(values, random(1));
  return { value: mean * scale, low: low * scale, high: high * scale, n };
}
