import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Chunker } from "./corpus/chunk/chunker.js";
import { type CorpusGraph, openCorpusGraph } from "./corpus/graph/corpus-graph.js";
import { type CorpusIndex, openCorpusIndex } from "./corpus/index/corpus-index.js";
import type { IndexProgress, UpdateResult } from "./corpus/index/update.js";
import { textPositions } from "./corpus/lines.js";
import { type CorpusMap, makeCorpusMap } from "./corpus/map/corpus-map.js";
import type { MapNode } from "./corpus/map/map-node.js";
import { scopedSource } from "./corpus/map/scoped-source.js";
import { readTopicNames, writeTopicNames } from "./corpus/map/topic-names.js";
import type { Candidate, CandidateSource, SearchMode, Selector } from "./corpus/select/selector.js";
import type { WalkOptions } from "./corpus/walk.js";
import { Embedder } from "./engine/embedder.js";
import { QuireError } from "./errors.js";
import { partOf } from "./methods.js";
import { type AskOutput, ask, selectFrom } from "./programs/ask.js";
import type { AskEvent } from "./programs/ask-answer.js";
import { chunkingWith } from "./programs/chunk-model.js";
import type { LanguageModel } from "./programs/language-model.js";
import { likelihoodOf } from "./programs/likelihood.js";
import { nameTopic } from "./programs/name-topic.js";
import type { ProgramLimits, TraceNode } from "./programs/program.js";
import { readTopics, type TopicAnswer, type TopicToRead } from "./programs/read-topics.js";
import type { ReplayLog } from "./programs/replay-log.js";
import { runProgram } from "./programs/run.js";
import { estimateTokens } from "./programs/token-estimate.js";
import type { OpenProgress } from "./quire.js";
import { cpuFeatures } from "./tensor/device.js";
import { resolveModel } from "./weights/resolve-model.js";

/** A folder (or file) that can be searched, asked and read. Works with a local model, an endpoint, or none. */

export interface CorpusOptions {
  readonly model?: LanguageModel;
  /** Embedding model by name or path, "none" for words only; default all-minilm-l6-v2. */
  readonly embedder?: string;
  readonly chunker?: string | Chunker;
  readonly selector?: string | Selector;
  readonly indexFolder?: string;
  readonly files?: Pick<WalkOptions, "include" | "exclude" | "maxFileBytes" | "followLinks">;
  readonly threads?: number;
  readonly offline?: boolean;
  readonly signal?: AbortSignal;
  /** Do not bring the index up to date when it is opened. */
  readonly keepIndex?: boolean;
  onProgress?(progress: IndexProgress): void;
  onOpen?(progress: OpenProgress): void;
  onNotice?(notice: string): void;
}

export interface AskOptions {
  readonly selector?: string | Selector;
  /** Options of the program `ask`. */
  readonly ask?: Parameters<typeof ask>[0];
  /** Only passages of this topic of the map: its id, its name or a part of it. */
  readonly scope?: string;
  readonly limits?: ProgramLimits;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  onText?(text: string): void;
  onEvent?(event: AskEvent): void;
  onTrace?(node: TraceNode, root: TraceNode): void;
}

export interface MapOptions {
  /** Names of topics: asked of the corpus's model, as they were asked for before (default), or by their words. */
  readonly names?: "model" | "known" | "words";
  /** Most topics that the model names; default 60. */
  readonly mostNamed?: number;
  readonly title?: string;
  readonly signal?: AbortSignal;
  onProgress?(phase: string, done: number, total: number): void;
}

/** All that a corpus needs of an embedding model, wherever it runs. */
export type CorpusEmbedder = Pick<Embedder, "embed" | "close">;

export interface ReadByTopicOptions {
  /** Levels of topics that get an answer of their own; default 1. */
  readonly levels?: number;
  /** Only this topic of the map. */
  readonly scope?: string;
  /** Options of the program `read-topics`. */
  readonly read?: Parameters<typeof readTopics>[0];
  readonly limits?: ProgramLimits;
  readonly parallel?: number;
  readonly seed?: number;
  readonly log?: ReplayLog;
  readonly signal?: AbortSignal;
  onText?(text: string): void;
  onTopic?(topic: TopicAnswer, done: number, total: number): void;
  onProgress?(phase: string, done: number, total: number): void;
  onTrace?(node: TraceNode, root: TraceNode): void;
}

export interface ReadByTopic {
  /** Of the whole, with those of its topics. */
  readonly answer: TopicAnswer;
  readonly trace: TraceNode;
}

export const defaultEmbedder = "all-minilm-l6-v2";

export async function openCorpus(folder: string, options: CorpusOptions = {}): Promise<Corpus> {
  const { signal, offline, threads, onOpen } = options;
  const chunker = await partOf("chunker", options.chunker ?? "recursive");
  const selector = await partOf("selector", options.selector ?? "hybrid");
  const embedder = await openEmbedder(options.embedder ?? defaultEmbedder, {
    signal,
    offline,
    threads,
    onOpen,
    onNotice: options.onNotice,
  });
  const index = await openCorpusIndex(folder, {
    chunker,
    countTokens: options.model?.countTokens.bind(options.model) ?? estimateTokens,
    embed: embedder === undefined ? undefined : async (texts, stop) => embedder.embed(texts, { signal: stop }),
    embeddingModel: embedder?.id,
    chunkContext: chunkingWith(options.model, options.onNotice),
    indexFolder: options.indexFolder,
    files: options.files,
    onProgress: options.onProgress,
    onNotice: options.onNotice,
    signal,
  }).catch(async (error: unknown) => {
    await embedder?.close();
    throw error;
  });
  const corpus = new Corpus(index, embedder, selector, options.model);
  if (options.keepIndex === true) return corpus;
  try {
    await corpus.update({ signal });
    return corpus;
  } catch (error) {
    await corpus.close();
    throw error;
  }
}

/** Without its embedding model a corpus is searched by words, and says so. */
export async function openEmbedder(
  name: string,
  options: Pick<CorpusOptions, "signal" | "offline" | "threads" | "onOpen" | "onNotice">,
): Promise<Embedder | undefined> {
  if (name === "none") return undefined;
  const { signal, offline, threads, onOpen, onNotice } = options;
  try {
    const resolved = await resolveModel(name, {
      signal,
      offline,
      onProgress: ({ file, receivedBytes, totalBytes }) =>
        onOpen?.({ phase: "download", name: file, done: receivedBytes, total: totalBytes }),
    });
    return await Embedder.open(resolved.path, { signal, threads, device: "cpu", precision: indexPrecision() });
  } catch (error) {
    if (name !== defaultEmbedder || signal?.aborted === true) throw error;
    onNotice?.(`The embedding model ${name} cannot be had (${(error as Error).message}) Searching by words only.`);
    return undefined;
  }
}

/** Where the processor multiplies bf16 natively, indexing is nearly twice as fast with it, and vectors differ from f32's by a cosine
 *  distance of 4e-5 at most, which changes no ranking that matters. */
function indexPrecision(): "stored" | "bf16" {
  return cpuFeatures().has("AVX512_BF16") ? "bf16" : "stored";
}

export class Corpus {
  readonly index: CorpusIndex;
  lastUpdate: UpdateResult | undefined;
  readonly #embedder: CorpusEmbedder | undefined;
  readonly #selector: Selector;
  readonly #model: LanguageModel | undefined;

  constructor(
    index: CorpusIndex,
    embedder: CorpusEmbedder | undefined,
    selector: Selector,
    model: LanguageModel | undefined,
  ) {
    this.index = index;
    this.#embedder = embedder;
    this.#selector = selector;
    this.#model = model;
  }

  /** Brings the index up to date; unchanged files are not read again. */
  async update(options: { signal?: AbortSignal; rebuild?: boolean; verify?: boolean } = {}): Promise<UpdateResult> {
    this.lastUpdate = await this.index.update(options);
    return this.lastUpdate;
  }

  search(query: string, options: { k?: number; mode?: SearchMode; signal?: AbortSignal } = {}): Promise<Candidate[]> {
    return this.index.search(query, { k: options.k ?? 10, mode: options.mode, signal: options.signal });
  }

  /** Chunks and files, linked: kept beside the index and made anew when that has changed. */
  graph(options: Pick<MapOptions, "signal" | "onProgress"> = {}): Promise<CorpusGraph> {
    const { folder } = this.index;
    const phases = ["near", "cites", "terms", "compress"];
    return openCorpusGraph(this.index, {
      signal: options.signal,
      sourceOf: (uri) =>
        readFile(join(folder, uri), "utf8").catch(() => readFile(folder, "utf8").catch(() => undefined)),
      onProgress: (phase) => options.onProgress?.("Linking", phases.indexOf(phase), phases.length),
    });
  }

  /** Topics inside topics, down to chunks. */
  async map(options: MapOptions = {}): Promise<CorpusMap> {
    const { names = "known", mostNamed, signal, onProgress } = options;
    const graph = await this.graph({ signal, onProgress });
    const model = names === "model" ? this.#model : undefined;
    const { indexFolder, folder } = this.index;
    const kept = names === "words" ? { model: "", names: {} } : await readTopicNames(indexFolder);
    const known: Record<string, string> = model !== undefined && kept.model !== model.id ? {} : { ...kept.names };
    const before = Object.keys(known).length;
    try {
      return await makeCorpusMap(graph, {
        name: options.title ?? basename(folder),
        mostNamed,
        signal,
        onProgress: (phase, done, total) => onProgress?.(phase === "names" ? "Naming" : "Grouping", done, total),
        async nameTopic(topic) {
          const name = known[topic.id];
          if (name !== undefined || model === undefined) return name === "" ? undefined : name;
          const given = await nameTopic(model, topic, signal);
          known[topic.id] = given ?? "";
          return given;
        },
      });
    } finally {
      // Also where it was stopped: the next run goes on from there.
      if (model !== undefined && Object.keys(known).length > before) {
        await writeTopicNames(indexFolder, { model: model.id, names: known });
      }
    }
  }

  async ask(question: string, options: AskOptions = {}): Promise<AskOutput> {
    const { signal, seed, limits, onText, onEvent, onTrace } = options;
    const selector = options.selector === undefined ? this.#selector : await partOf("selector", options.selector);
    const embedder = this.#embedder;
    const embed =
      embedder === undefined
        ? undefined
        : async (texts: readonly string[], stop?: AbortSignal) => embedder.embed(texts, { signal: stop });
    const countTokens = this.#model?.countTokens.bind(this.#model) ?? estimateTokens;
    const source = options.scope === undefined ? this.index : await this.#scoped(options.scope, signal);
    const { output } = await runProgram(
      ask(options.ask),
      {
        question,
        select: selectFrom(selector, source, {
          countTokens,
          embed,
          logLikelihood: likelihoodOf(this.#model),
          seed,
          signal,
        }),
        readRange: documentReader(this.index),
        embed,
        onText,
        onEvent,
      },
      { model: this.#model, signal, seed, limits, onTrace },
    );
    return output;
  }

  /** Reads everything topic by topic: an answer for each, joined up the tree. `levels`: of topics that are answered by themselves. */
  async readByTopic(instruction: string, options: ReadByTopicOptions = {}): Promise<ReadByTopic> {
    const { levels = 1, scope, read, seed, limits, parallel, log, signal, onText, onTopic, onTrace } = options;
    if (this.#model === undefined) {
      throw new QuireError("unsupported", "Reading needs a model.", { expected: "a corpus opened with a model" });
    }
    const map = await this.map({ signal, onProgress: options.onProgress });
    const root = topicToRead(map, scope === undefined ? map.root : map.find(scope), levels);
    const { output, trace } = await runProgram(
      readTopics(read),
      { instruction, root, onText, onTopic },
      { model: this.#model, signal, seed, limits, parallel, log, onTrace },
    );
    return { answer: output, trace };
  }

  async #scoped(topic: string, signal: AbortSignal | undefined): Promise<CandidateSource> {
    const map = await this.map({ signal });
    return scopedSource(this.index, map.chunksOf(map.find(topic)));
  }

  async close(): Promise<void> {
    await this.index.close();
    await this.#embedder?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function topicToRead(map: CorpusMap, node: MapNode, levels: number): TopicToRead {
  const { id, name } = node;
  const topics = (node.children ?? []).filter(({ chunk }) => chunk === undefined);
  if (levels < 1 || topics.length === 0) return { id, name, chunks: map.chunksOf(node) };
  return { id, name, topics: topics.map((topic) => topicToRead(map, topic, levels - 1)) };
}

/** Reads ranges of documents as they are now; undefined where the document has changed since it was indexed. */
function documentReader(index: CorpusIndex) {
  const texts = new Map<string, Promise<{ id: string; slice(start: number, end: number): string } | undefined>>();
  return async (range: {
    documentId: string;
    uri: string;
    startByte: number;
    endByte: number;
  }): Promise<string | undefined> => {
    let document = texts.get(range.uri);
    if (document === undefined) {
      document = index.document(range.uri).then(
        ({ id, text }) => {
          const positions = textPositions(text);
          return { id, slice: (start, end) => positions.slice(start, end) };
        },
        () => undefined,
      );
      texts.set(range.uri, document);
    }
    const found = await document;
    return found === undefined || found.id !== range.documentId
      ? undefined
      : found.slice(range.startByte, range.endByte);
  };
}
