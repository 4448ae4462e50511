import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { type Corpus, openCorpus } from "../../src/corpus-session.js";
import { generateCorpus, writeCorpus } from "../ask/generate.js";
import type { AskQuestion } from "../ask/question.js";
import type { Bench, BenchOptions, Check, Findings, Row } from "../lib/report.js";
import { median, quantile, single, spread } from "../lib/statistics.js";

/** Indexing and searching a folder of some 10,000 chunks with the real embedding model: how long the first index takes, how long
 *  one that finds nothing changed, and how long a search takes. */

export const search: Bench = { title: "Indexing and search", run };

const modes = ["hybrid", "vector", "text"] as const;
/** Small chunks, so that they are many and none is cut by the embedding model. */
const chunker = "recursive:tokens=96";
const chunksPerFile = 5.9;
const filesPerPart = 400;
const k = 10;

async function run(options: BenchOptions): Promise<Findings> {
  const { quick, seed, progress } = options;
  const files = Math.ceil((quick ? 300 : 10_000) / chunksPerFile);
  const threads = options.threads ?? availableParallelism();
  const root = await mkdtemp(join(tmpdir(), "quire-bench-search-"));
  try {
    progress(`writing ${files} files`);
    const questions = await writeFiles(root, files, seed);
    const folder = join(root, "docs");
    const opening = {
      chunker,
      threads,
      embedder: options.model ?? "all-minilm-l6-v2",
      indexFolder: join(root, "index"),
      keepIndex: true,
      onProgress: everySecond(progress),
    };
    const started = performance.now();
    await using corpus = await openCorpus(folder, opening);
    const openSeconds = (performance.now() - started) / 1000;
    const first = await corpus.update();
    const stats = await corpus.index.stats();
    progress(`${stats.chunks} chunks in ${first.seconds.toFixed(1)} s`);
    const rows: Row[] = [
      row("first index", {
        seconds: single(first.seconds),
        rate: single(stats.chunks / first.seconds),
      }),
    ];
    const again = await unchanged(corpus, quick ? 3 : 7);
    const perThousand = again.map((seconds) => (seconds / files) * 1000);
    rows.push(row("nothing changed", { seconds: spread(again), perThousand: spread(perThousand) }));
    progress(`nothing changed: ${median(again).toFixed(3)} s for ${files} files`);
    const p50: Record<string, number> = {};
    for (const mode of modes) {
      const times = await searchTimes(corpus, questions.slice(0, quick ? 20 : 200), mode);
      p50[mode] = median(times);
      const [low, high] = [quantile(times, 0.25), quantile(times, 0.75)];
      rows.push(
        row(`search, ${mode}`, {
          p50: { value: median(times), low, high, n: times.length },
          p95: single(quantile(times, 0.95)),
        }),
      );
      progress(`${mode}: ${median(times).toFixed(1)} ms`);
    }
    const complete: Check = {
      name: "index is whole",
      passed: stats.complete && stats.chunksWithVectors === stats.chunks && stats.documents === files,
      detail: `${stats.documents} of ${files} files, ${stats.chunksWithVectors} of ${stats.chunks} chunks with vectors`,
    };
    const found = await recall(corpus, questions.slice(0, quick ? 20 : 200));
    return {
      title: `${search.title}: ${stats.chunks.toLocaleString("en")} chunks`,
      summary: `A generated folder of ${files} Markdown files, cut with \`${chunker}\` and embedded by ${stats.embeddingModel?.split("@")[0] ?? "nothing"} with ${threads} thread${threads === 1 ? "" : "s"}. A search is the ${k} best chunks for a question, its embedding included; values are medians with quartiles.`,
      columns: {
        seconds: { title: "time", unit: "s", digits: 2, better: "lower" },
        rate: { title: "chunks", unit: "per s", digits: 0, better: "higher" },
        perThousand: { title: "per 1,000 files", unit: "s", digits: 3, better: "lower" },
        p50: { title: "p50", unit: "ms", digits: 1, better: "lower" },
        p95: { title: "p95", unit: "ms", digits: 1, better: "lower" },
      },
      rows,
      ratios: {
        searchP50Ms: p50["hybrid"] ?? Number.NaN,
        unchangedSecondsPer1000Files: median(perThousand),
        chunks: stats.chunks,
        chunksPerSecond: stats.chunks / first.seconds,
        fileRecallAt10: found,
      },
      targets: {
        searchP50Ms: { atMost: 20 },
        unchangedSecondsPer1000Files: { atMost: 1 },
        ...(quick ? {} : { chunks: { atLeast: 10_000 } }),
      },
      checks: [complete],
      charts: [{ measure: "p50", title: "Search, half of the questions faster than" }],
      versions: {},
      notes: [
        `Opening the embedding model and the index took ${openSeconds.toFixed(2)} s.`,
        "`fileRecallAt10`: share of questions with an answer whose files are all among those of the ten chunks found.",
      ],
    };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Several generated corpora side by side; one alone would run out of names. */
async function writeFiles(root: string, files: number, seed: number): Promise<AskQuestion[]> {
  const questions: AskQuestion[] = [];
  for (let part = 0; part * filesPerPart < files; part++) {
    const documents = Math.min(filesPerPart, files - part * filesPerPart);
    const made = generateCorpus({ seed: seed + part, documents: Math.max(20, documents), questions: 50 });
    const folder = `part-${part + 1}`;
    const moved = made.files.slice(0, documents).map(({ path, text }) => ({ path: `${folder}/${path}`, text }));
    await writeCorpus(root, { files: moved, questions: [] });
    const kept = new Set(moved.map(({ path }) => path));
    for (const question of made.questions) {
      const gold = question.gold.map((place) => ({ ...place, file: `${folder}/${place.file}` }));
      if (question.kind !== "none" && gold.every(({ file }) => kept.has(file))) questions.push({ ...question, gold });
    }
  }
  return questions;
}

/** File systems keep times coarsely, so files written within the last two seconds are read again: the first run does not count. */
async function unchanged(corpus: Corpus, times: number): Promise<number[]> {
  const seconds: number[] = [];
  for (let i = 0; i <= times; i++) {
    const start = performance.now();
    const { added, changed, removed } = await corpus.update();
    if (i > 0) seconds.push((performance.now() - start) / 1000);
    if (added.length + changed.length + removed.length > 0) throw new Error("The folder changed during the bench.");
  }
  return seconds;
}

async function searchTimes(corpus: Corpus, questions: readonly AskQuestion[], mode: (typeof modes)[number]) {
  const times: number[] = [];
  for (const { question } of questions.slice(0, 5)) await corpus.search(question, { k, mode });
  for (const { question } of questions) {
    const start = performance.now();
    await corpus.search(question, { k, mode });
    times.push(performance.now() - start);
  }
  return times;
}

async function recall(corpus: Corpus, questions: readonly AskQuestion[]): Promise<number> {
  let found = 0;
  for (const { question, gold } of questions) {
    const files = new Set((await corpus.search(question, { k })).map(({ chunk }) => chunk.uri));
    if (gold.every(({ file }) => files.has(file))) found++;
  }
  return found / questions.length;
}

function row(setting: string, measures: Row["measures"]): Row {
  return { setting, contender: "quire", measures };
}

function everySecond(progress: (text: string) => void) {
  let last = 0;
  return ({ phase, done, total }: { phase: string; done: number; total?: number }) => {
    if (performance.now() - last < 5000) return;
    last = performance.now();
    progress(`${phase}: ${done}${total === undefined ? "" : ` of ${total}`}`);
  };
}
