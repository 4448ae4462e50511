import { createHash } from "node:crypto";
import { basename, resolve } from "node:path";
import { QuireError, throwIfAborted } from "../errors.js";
import { architectureOf } from "../models/registry.js";
import { Device, type DeviceOptions } from "../tensor/device.js";
import { ggufTokenizer } from "../text/gguf-tokenizer.js";
import { openHfTokenizer } from "../text/hf-tokenizer.js";
import type { Tokenizer } from "../text/tokenizer.js";
import { type LoadOptions, loadWeights, type WeightRequest } from "../weights/load.js";
import { openWeightFile } from "../weights/open-weight-file.js";
import type { WeightFile } from "../weights/weight-file.js";
import { type Encoder, EncoderPass } from "./embedding/encoder-pass.js";
import { asBf16 } from "./embedding/narrow-weights.js";
import { packTexts } from "./embedding/pack-texts.js";
import { pool } from "./embedding/pool.js";
import { readSentenceSettings, type SentenceSettings } from "./embedding/sentence-settings.js";
import { TextFrame } from "./embedding/text-frame.js";

/** Sentence embeddings on this machine: texts in, one vector a text out. Texts are laid side by side into passes without padding,
 *  so that a batch of short and long ones costs what its tokens cost. */

export interface EmbedderOptions extends DeviceOptions, LoadOptions {
  /** "stored" computes with the weights as the file has them. "bf16" rounds f32 matrices: half the memory, and nearly twice the
   *  speed on processors with such products; vectors then differ by a cosine distance of some 3e-5. Default "stored". */
  readonly precision?: "stored" | "bf16";
}

export interface EmbedOptions {
  readonly signal?: AbortSignal;
  onProgress?(progress: EmbedProgress): void;
}

export interface EmbedProgress {
  readonly texts: number;
  readonly totalTexts: number;
  readonly tokens: number;
}

export interface Embeddings {
  /** In the order of the texts. */
  readonly vectors: Float32Array[];
  /** Tokens that were computed, [CLS] and [SEP] included. */
  readonly tokens: number;
  /** Numbers of the texts of which only the first `maxTokens` tokens were looked at. */
  readonly truncated: number[];
}

/** Rows of a pass: enough that products run at full speed, few enough that intermediate results stay in the processor's caches. */
const usualRows = 256;
const rowStep = 32;
/** Questions are short, and a search waits for them: every row that is not theirs costs time. */
const shortRowStep = 8;
/** Texts whose tokens are held at a time. */
const textsAtOnce = 4096;
const graphsKept = 16;

export class Embedder {
  /** Names the model and what was made of it, so that vectors of different models never mix. */
  readonly id: string;
  readonly dimensions: number;
  /** Of each text, this many tokens are looked at, [CLS] and [SEP] included. */
  readonly maxTokens: number;
  readonly #encoder: Encoder;
  readonly #settings: SentenceSettings;
  readonly #tokenizer: Tokenizer;
  readonly #frame: TextFrame;
  /** Least recently used first. */
  readonly #passes = new Map<string, EncoderPass>();
  #turn: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /** `path`: a folder with model.safetensors, config.json and tokenizer.json, or a GGUF file. */
  static async open(path: string, options: EmbedderOptions = {}): Promise<Embedder> {
    throwIfAborted(options.signal);
    const file = await openWeightFile(path);
    let tokenizer: Tokenizer | undefined;
    let device: Device | undefined;
    try {
      const architecture = architectureOf(file);
      if (architecture.kind !== "encoder") {
        throw new QuireError("unsupported", `${path} is a model that writes texts, not one that embeds them.`, {
          got: architecture.name,
          expected: "an encoder such as bert",
          fix: "Use a sentence embedding model, such as all-minilm-l6-v2.",
        });
      }
      const config = architecture.readConfig(file);
      const folder = file.format === "safetensors" ? file.folder : undefined;
      const settings = await readSentenceSettings(file, folder, config.maxPositions);
      tokenizer = folder === undefined ? ggufTokenizer(file.metadata) : await openHfTokenizer(folder);
      const frame = new TextFrame(tokenizer, settings.maxTokens);
      const id = await identify(path, file, tokenizer, settings);
      device = Device.open(options);
      const requests = architecture.weights(config, file);
      const weights = await loadWeights(narrowed(file, requests, options.precision), requests, device, options);
      return new Embedder({ architecture, config, weights, device }, settings, tokenizer, frame, id);
    } catch (error) {
      tokenizer?.close();
      await device?.close();
      throw error;
    } finally {
      await file.close();
    }
  }

  private constructor(
    encoder: Encoder,
    settings: SentenceSettings,
    tokenizer: Tokenizer,
    frame: TextFrame,
    id: string,
  ) {
    this.id = id;
    this.dimensions = encoder.config.hiddenSize;
    this.maxTokens = settings.maxTokens;
    this.#encoder = encoder;
    this.#settings = settings;
    this.#tokenizer = tokenizer;
    this.#frame = frame;
  }

  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<Float32Array[]> {
    return (await this.embedAll(texts, options)).vectors;
  }

  /** As `embed`, and says which texts were cut. When stopped, the error's `partial` holds the vectors made so far. */
  async embedAll(texts: readonly string[], options: EmbedOptions = {}): Promise<Embeddings> {
    const wrong = texts.findIndex((text) => typeof text !== "string");
    if (wrong >= 0) {
      throw new QuireError("bad-input", `Text ${wrong} is no text.`, {
        got: typeof texts[wrong],
        expected: "a string",
      });
    }
    const vectors: Float32Array[] = new Array(texts.length);
    const truncated: number[] = [];
    const done = { texts: 0, totalTexts: texts.length, tokens: 0 };
    for (let start = 0; start < texts.length; start += textsAtOnce) {
      const framed = texts.slice(start, start + textsAtOnce).map((text, at) => {
        const { tokens, cut } = this.#frame.of(text);
        if (cut) truncated.push(start + at);
        return tokens;
      });
      const longest = framed.reduce((most, { length }) => Math.max(most, length), 0);
      const passes = packTexts(
        framed.map(({ length }) => length),
        Math.max(usualRows, longest),
      );
      for (const { texts: members, rows } of passes) {
        throwIfAborted(options.signal, { vectors });
        const made = await this.#run(
          members.map((text) => framed[text]!),
          rows,
          options.signal,
        );
        for (const [at, text] of members.entries()) vectors[start + text] = made[at]!;
        done.texts += members.length;
        done.tokens += rows;
        options.onProgress?.({ ...done });
      }
    }
    return { vectors, tokens: done.tokens, truncated };
  }

  /** Waits for the pass that is running, then frees the model. */
  close(): Promise<void> {
    this.#closing ??= this.#turn.then(async () => {
      for (const pass of this.#passes.values()) pass.close();
      this.#passes.clear();
      this.#encoder.weights.close();
      this.#tokenizer.close();
      await this.#encoder.device.close();
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Passes take turns: their inputs lie in the graph's own memory. */
  #run(texts: readonly Int32Array[], rows: number, signal: AbortSignal | undefined): Promise<Float32Array[]> {
    if (this.#closing !== undefined) {
      return Promise.reject(new QuireError("bad-input", "The embedder was closed.", { fix: "Open it again." }));
    }
    const made = this.#turn.then(() => this.#compute(texts, rows, signal));
    this.#turn = made.catch(() => undefined);
    return made;
  }

  async #compute(texts: readonly Int32Array[], rows: number, signal: AbortSignal | undefined): Promise<Float32Array[]> {
    const { pooling, normalise } = this.#settings;
    const width = this.dimensions;
    const firsts: number[] = [];
    let row = 0;
    for (const { length } of texts) {
      firsts.push(row);
      row += length;
    }
    const of = { width, pooling, normalise };
    if (pooling === "mean") {
      const states = await this.#pass(rows, undefined).run(texts, undefined, signal);
      return texts.map(({ length }, at) => pool(states, { ...of, first: firsts[at]!, count: length }));
    }
    // One row of each text is needed of the last layer.
    const wanted = firsts.map((first, at) => (pooling === "cls" ? first : first + texts[at]!.length - 1));
    const states = await this.#pass(rows, 2 ** Math.ceil(Math.log2(texts.length))).run(texts, wanted, signal);
    return texts.map((_, at) => pool(states, { ...of, first: at, count: 1 }));
  }

  #pass(rows: number, wantedRows: number | undefined): EncoderPass {
    const step = rows <= rowStep ? shortRowStep : rowStep;
    const rounded = Math.ceil(rows / step) * step;
    const key = `${rounded}:${wantedRows}`;
    const pass = this.#passes.get(key) ?? new EncoderPass(this.#encoder, rounded, wantedRows);
    this.#passes.delete(key);
    this.#passes.set(key, pass);
    const [oldest] = this.#passes;
    if (this.#passes.size > graphsKept && oldest !== undefined) {
      oldest[1].close();
      this.#passes.delete(oldest[0]);
    }
    return pass;
  }
}

function narrowed(file: WeightFile, requests: readonly WeightRequest[], precision = "stored"): WeightFile {
  if (precision === "stored") return file;
  if (precision !== "bf16") {
    throw new QuireError("bad-option", "precision cannot be used.", { got: precision, expected: "stored or bf16" });
  }
  const matrices = new Set(requests.filter(({ use }) => use === "product").flatMap(({ from }) => from));
  return asBf16(file, (name) => matrices.has(name));
}

/** A name that follows the model wherever it lies: the same weights, tokenizer and pooling have the same. */
async function identify(
  path: string,
  file: WeightFile,
  tokenizer: Tokenizer,
  settings: SentenceSettings,
): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(settings)).update(tokenizer.hash);
  const sample = new Uint8Array(4096);
  for (const name of [...file.tensors.keys()].sort()) {
    const entry = file.tensors.get(name)!;
    hash.update(`${name}:${entry.dtype}:${entry.shape.join("x")}`);
    const part = sample.subarray(0, Math.min(sample.byteLength, entry.sizeBytes));
    await file.read(entry, 0, part);
    hash.update(part);
  }
  const named = file.metadata.get("general.name") ?? basename(resolve(path)).replace(/\.(gguf|safetensors)$/, "");
  return `${String(named)}@${hash.digest("hex").slice(0, 16)}`;
}
