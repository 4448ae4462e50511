import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Corpus, openCorpus } from "../src/corpus-session.js";
import type { LanguageModel } from "../src/programs/language-model.js";
import { Quire } from "../src/quire.js";
import { fetchDebianPackage, questionsThatHold } from "./ask/debian-package.js";
import { debianPolicyQuestions } from "./ask/debian-policy.js";
import { type AskedAnswer, type AskRow, type AskSummary, evaluateAsk } from "./ask/evaluate.js";
import { generateCorpus, writeCorpus } from "./ask/generate.js";
import type { AskQuestion } from "./ask/question.js";
import type { Bench, BenchOptions, Check, Findings, Row } from "./lib/report.js";

/** How good the answers of `ask` are: on generated documents, where everything is known to the byte, and on a real manual; with
 *  a small model and with none. */

export const evalAsk: Bench = { title: "Answers from documents", run };

interface QuestionSet {
  readonly name: string;
  readonly folder: string;
  readonly questions: readonly AskQuestion[];
}

async function run(options: BenchOptions): Promise<Findings> {
  const { quick, seed, progress } = options;
  const modelName = options.model ?? "smollm2-135m-instruct";
  const root = await mkdtemp(join(tmpdir(), "quire-bench-ask-"));
  const rows: Row[] = [];
  const notes: string[] = [];
  const ratios: Record<string, number> = {};
  const checks: Check[] = [];
  const quire = await Quire.open(modelName, { threads: options.threads });
  try {
    const sets = [await generatedSet(root, quick, seed)];
    if (!quick) {
      const policy = await policySet(root, notes);
      if (policy !== undefined) sets.push(policy);
    }
    for (const set of sets) {
      for (const [contender, model] of [
        [modelName, quire.languageModel()],
        ["no model", undefined],
      ] as const) {
        const { rows: asked, summary } = await evaluate(
          set,
          model,
          options,
          join(root, `index ${set.name} ${contender}`),
        );
        rows.push(...summary.map((group) => tableRow(set.name, contender, group)));
        Object.assign(ratios, ratiosOf(set.name, contender, summary));
        checks.push(citationCheck(`${set.name}, ${contender}`, asked));
        notes.push(`${set.name}, ${contender}: ${strategies(asked)}.`);
        progress(`${set.name}, ${contender}: done`);
      }
    }
  } finally {
    await quire.close();
    await rm(root, { recursive: true, force: true });
  }
  return {
    title: evalAsk.title,
    summary:
      "Shares of questions, in brackets the 95 % interval by bootstrap over questions. Recall: a place that holds the answer is among the first (five) passages. Right: an accepted answer stands in what was said; exact: nothing else was said. “Not stated”: the answer says that the documents do not say, which is right for the questions without an answer and wrong for the others. A citation is false when its quote is not, byte for byte, what the file holds there, or its number stands for nothing.",
    columns: {
      recallAt1: { title: "recall@1", unit: "%", digits: 0, better: "higher" },
      recallAt5: { title: "recall@5", unit: "%", digits: 0, better: "higher" },
      right: { title: "right", unit: "%", digits: 0, better: "higher" },
      exact: { title: "exact", unit: "%", digits: 0, better: "higher" },
      citesGold: { title: "cites the place", unit: "%", digits: 0, better: "higher" },
      abstained: { title: "“not stated”", unit: "%", digits: 0, better: "neither" },
      falseCitations: { title: "false citations", unit: "%", digits: 0, better: "lower" },
      seconds: { title: "time", unit: "s", digits: 2, better: "lower" },
    },
    rows,
    ratios,
    targets: Object.fromEntries(
      Object.keys(ratios).flatMap((key) => (key.startsWith("falseCitations") ? [[key, { atMost: 0 }]] : [])),
    ),
    checks,
    charts: [
      {
        measure: "right",
        title: "Right answers",
        settings: [...new Set(rows.map(({ setting }) => setting))].filter((setting) =>
          / (single|two-hop) /.test(setting),
        ),
      },
    ],
    versions: {},
    notes,
  };
}

async function generatedSet(root: string, quick: boolean, seed: number): Promise<QuestionSet> {
  const corpus = generateCorpus({ seed, ...(quick ? { documents: 40, questions: 20 } : {}) });
  const folder = join(root, "generated");
  await writeCorpus(folder, corpus);
  return { name: "generated", folder: join(folder, "docs"), questions: corpus.questions };
}

async function policySet(root: string, notes: string[]): Promise<QuestionSet | undefined> {
  const into = join(root, "debian");
  await mkdir(into, { recursive: true });
  const fetched = await fetchDebianPackage("debian-policy", into);
  if ("skipped" in fetched) {
    notes.push(`The real documents were left out: ${fetched.skipped}.`);
    return undefined;
  }
  const folder = join(fetched.folder, "usr/share/doc/debian-policy/policy.html");
  const { held, lost } = await questionsThatHold(debianPolicyQuestions, folder);
  notes.push(
    `Debian Policy Manual: ${fetched.file}, ${held.length} questions${lost.length > 0 ? `; ${lost.length} more do not fit this version` : ""}.`,
  );
  return { name: "Debian Policy Manual", folder, questions: held };
}

async function evaluate(
  { name, folder, questions }: QuestionSet,
  model: LanguageModel | undefined,
  { seed, threads, progress }: BenchOptions,
  indexFolder: string,
) {
  await using corpus = await openCorpus(folder, { model, indexFolder, threads, onNotice: progress });
  return await evaluateAsk({
    questions,
    seed,
    askOne: (question) => answerOf(corpus, question, seed),
    readText: async (file) =>
      corpus.index.document(file).then(
        ({ text }) => text,
        () => undefined,
      ),
    onProgress: (done, total) => {
      if (done % 10 === 0) progress(`${name}, ${model?.id ?? "no model"}: ${done} of ${total}`);
    },
  });
}

async function answerOf(corpus: Corpus, { question }: AskQuestion, seed: number): Promise<AskedAnswer> {
  const { answer, evidence, citations, unsupported, answeredBy, usage } = await corpus.ask(question, { seed });
  return { answer, evidence, citations, unsupported, answeredBy, usage };
}

function tableRow(set: string, contender: string, { group, rates }: AskSummary): Row {
  const measures = Object.entries(rates).map(([name, rate]) => {
    const scale = name === "seconds" ? 1 : 100;
    const { mean, low, high, n } = rate;
    return [name, { value: mean * scale, low: low * scale, high: high * scale, n }] as const;
  });
  const count = rates.abstained?.n ?? 0;
  return { setting: `${set}: ${group} (${count})`, contender, measures: Object.fromEntries(measures) };
}

/** Figures by name: `recallAt5:generated:smollm2-135m-instruct`. */
function ratiosOf(set: string, contender: string, summary: readonly AskSummary[]): Record<string, number> {
  const of = (group: string) => summary.find((one) => one.group === group)?.rates;
  const key = `${set}:${contender}`.replace(/ /g, "-").toLowerCase();
  const figures = {
    recallAt5: of("answerable")?.recallAt5?.mean,
    right: of("answerable")?.right?.mean,
    exact: of("answerable")?.exact?.mean,
    notStated: of("none")?.abstained?.mean,
    falseCitations: of("all")?.falseCitations?.mean,
  };
  return Object.fromEntries(
    Object.entries(figures).flatMap(([name, value]) => (value === undefined ? [] : [[`${name}:${key}`, value]])),
  );
}

function citationCheck(name: string, rows: readonly AskRow[]): Check {
  const wrong = rows.filter(({ falseCitations }) => falseCitations > 0);
  const total = rows.reduce((sum, { citations }) => sum + citations, 0);
  return {
    name: `no false citation: ${name}`,
    passed: wrong.length === 0,
    detail: `${total} citations and pieces of evidence compared with the files, ${wrong.length === 0 ? "all true" : `false in ${wrong.map(({ id }) => id).join(", ")}`}`,
  };
}

function strategies(rows: readonly AskRow[]): string {
  const counts = new Map<string, number>();
  for (const { answeredBy = "nobody" } of rows) counts.set(answeredBy, (counts.get(answeredBy) ?? 0) + 1);
  return `answered by ${[...counts].map(([who, count]) => `${who} ${count}`).join(", ")}`;
}
