import { fileURLToPath } from "node:url";
import type { Corpus, CorpusAnswer, CorpusFile, Evidence } from "../src/api/contract.js";
import { corpusOf, type FolderCorpus, readFolder, searchPieces } from "./folder-corpus.js";

/** The mock server's corpora: two folders of this project, and those that are made while it runs. */

export interface MockCorpus {
  readonly id: string;
  readonly name: string;
  readonly created: number;
  readonly readOnly: boolean;
  content: FolderCorpus;
  problems: Map<string, string>;
  waiting: string[];
  listeners: Set<(event: string, data: unknown) => void>;
}

const root = fileURLToPath(new URL("../../", import.meta.url));

function made(id: string, name: string, readOnly: boolean, content: FolderCorpus): MockCorpus {
  return {
    id,
    name,
    created: Date.UTC(2026, 9, 3) / 1000,
    readOnly,
    content,
    problems: new Map(),
    waiting: [],
    listeners: new Set(),
  };
}

export function firstCorpora(): Map<string, MockCorpus> {
  const docs = made("docs", "Quire’s documents", true, readFolder(`${root}docs`, [".md"]));
  const source = made("source", "Quire’s source", true, readFolder(`${root}src`, [".ts"], /\.(test|case)\.ts$/));
  return new Map([docs, source].map((one) => [one.id, one]));
}

export const newCorpus = (id: string, name: string): MockCorpus => made(id, name, false, corpusOf(new Map()));

export function describe(corpus: MockCorpus): Corpus {
  const { content, problems, waiting } = corpus;
  const text = [...content.files.values()].reduce((sum, lines) => sum + lines.join("\n").length, 0);
  return {
    id: corpus.id,
    name: corpus.name,
    created_at: corpus.created,
    status: waiting.length > 0 ? "indexing" : "ready",
    file_counts: {
      total: content.files.size + waiting.length + problems.size,
      completed: content.files.size,
      failed: problems.size,
      in_progress: waiting.length,
    },
    chunks: content.pieces.length,
    bytes: text,
    read_only: corpus.readOnly,
    ...{ object: "corpus" },
  };
}

export function filesOf({ content, problems, waiting }: MockCorpus): CorpusFile[] {
  return [
    ...[...content.files].map(([name, lines]) => ({ name, bytes: lines.join("\n").length, status: "completed" })),
    ...waiting.map((name) => ({ name, bytes: 0, status: "in_progress" })),
    ...[...problems].map(([name, problem]) => ({ name, bytes: 0, status: "failed", problem })),
  ];
}

/** Puts files into the corpus one by one, as an indexer would, and tells the listeners. */
export function index(corpus: MockCorpus, name: string, text: string | undefined, ms: number): void {
  corpus.waiting.push(name);
  setTimeout(() => {
    corpus.waiting = corpus.waiting.filter((one) => one !== name);
    if (text === undefined) corpus.problems.set(name, "This is not text, and no reader knows its form.");
    else corpus.content = corpusOf(new Map([...corpus.content.files, [name, text.split("\n")]]));
    const done = corpus.content.files.size + corpus.problems.size;
    const tell = (event: string, data: unknown) => {
      for (const listener of corpus.listeners) listener(event, data);
    };
    tell("indexing", { done, total: done + corpus.waiting.length, file: name });
    if (corpus.waiting.length === 0) tell("ready", { chunks: corpus.content.pieces.length });
  }, ms);
}

const canned: readonly { readonly file: string; readonly from: string; readonly to: string; readonly says: string }[] =
  [
    {
      file: "architecture.md",
      from: "what every live sequence still wants goes to the planner",
      to: "fill the rest of the budget slice by slice",
      says: "Before each pass the engine hands what every live sequence wants to a planner. **Small requests always run; a long prompt only gets what is left of the row budget**, slice by slice",
    },
    {
      file: "glossary.md",
      from: "| slice |",
      to: "| slice |",
      says: "A slice is a run of prompt tokens that are evaluated in one pass",
    },
    {
      file: "architecture.md",
      from: "Matrix products are shared, memory is private",
      to: "attention runs per sequence",
      says: "Sharing a pass costs nobody their privacy: the rows of all sequences go through each weight together, while attention runs per sequence against its own store",
    },
    {
      file: "architecture.md",
      from: "ggml computes on its own thread pool",
      to: "Cancelling sets a flag",
      says: "Whoever gives up frees their rows at once, because cancelling sets a flag that is looked at between two operations",
    },
  ];

/** A written answer for the question about long prompts in the documents, otherwise sentences of the nearest pieces. */
export function answerFrom(corpus: MockCorpus, question: string): CorpusAnswer {
  const written = corpus.id === "docs" && /long prompt/i.test(question) ? cannedEvidence(corpus) : [];
  const found = written.length > 0 ? written : nearest(corpus, question);
  const sentences = found.map(({ says }, at) => `${says} [${at + 1}].`);
  const answer =
    found.length === 0
      ? "The documents do not say. Nothing was found that comes near the question."
      : written.length > 0
        ? `${sentences.slice(0, 2).join(" ")}\n\n${sentences.slice(2).join(" ")}`
        : sentences.join(" ");
  return {
    answer,
    evidence: found.map(({ evidence }) => evidence),
    usage: { prompt_tokens: 40 + found.length * 180, completion_tokens: Math.ceil(answer.length / 4) },
    model: "smollm2-135m-instruct",
    stated: found.length > 0,
  };
}

interface Found {
  readonly says: string;
  readonly evidence: Evidence;
}

function cannedEvidence({ content }: MockCorpus): Found[] {
  return canned.flatMap(({ file, from, to, says }, at) => {
    const lines = content.files.get(file) ?? [];
    const start = lines.findIndex((line) => line.includes(from));
    const end = lines.findIndex((line, index) => index >= start && line.includes(to));
    if (start < 0 || end < 0) return [];
    const quote = lines
      .slice(start, end + 1)
      .join(" ")
      .replace(/\s+/g, " ")
      .trim();
    return [{ says, evidence: { file, start_line: start + 1, end_line: end + 1, quote, score: 0.91 - at * 0.07 } }];
  });
}

function nearest({ content }: MockCorpus, question: string): Found[] {
  return searchPieces(content, question, 4)
    .filter(({ score }) => score >= 0.34)
    .map(({ piece, score }) => {
      const lines = piece.text.split("\n");
      const best = Math.max(
        0,
        lines.findIndex((line) => question.split(/\W+/).some((word) => word.length > 4 && line.includes(word))),
      );
      const line = piece.start_line + best;
      const quote = (lines[best] ?? "").trim();
      const says = quote.replace(/[*_`#|[\]]/g, "").replace(/[.\s]+$/, "");
      return { says, evidence: { file: piece.file, start_line: line, end_line: line, quote, score } };
    });
}
