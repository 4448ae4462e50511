import { QuireError } from "../../errors.js";
import { Storage } from "../../tensor/storage.js";
import type { TrainableModel } from "../trainable.js";
import type { TokenBatch } from "../trainer.js";
import { ChunkMemory } from "./memory.js";
import { type Chunk, runBackward, runForward } from "./pass.js";
import type { ChunkChoice } from "./sampling.js";

/** Gradients of whole sequences chunk by chunk: all chunks are read once and leave their keys and values; then the chosen ones are
 *  learnt from, the last first, so that what later chunks leave for a chunk is complete when its turn comes. */

export interface ChunkedOptions {
  /** Tokens of a chunk. */
  readonly chunkSize: number;
  /** Attention scores in memory at once; default 2²², 16 MiB each of scores, weights and their gradients. */
  readonly scoresAtOnce?: number;
  /** Which chunks of a sequence are learnt from. */
  choose(sequence: { readonly chunks: number; readonly answers: ReadonlySet<number> }): ChunkChoice;
}

export interface ChunkedResult {
  /** Mean over the targets; where chunks were left out, over those of the chunks learnt from. */
  readonly loss: number;
  /** In the order of the model's parameters. Overwritten by the next call. */
  readonly gradients: readonly Float32Array[];
  readonly chunks: number;
  readonly learnt: number;
  /** Most bytes of one chunk's graph. */
  readonly graphBytes: number;
  /** Keys, values and their gradients, for the longest sequence. */
  readonly memoryBytes: number;
}

export class ChunkedGradients {
  readonly model: TrainableModel;
  readonly #options: ChunkedOptions;
  readonly #sums: Storage;

  constructor(model: TrainableModel, options: ChunkedOptions) {
    this.model = model;
    this.#options = options;
    this.#sums = Storage.allocate(
      model.device,
      model.parameters.map(({ name, shape }) => ({ name, dtype: "f32" as const, shape })),
    );
  }

  /** `total`: sum of the weights of all targets, by which losses are divided. */
  async run(batch: TokenBatch, total: number, signal?: AbortSignal): Promise<ChunkedResult> {
    checkBatch(batch, this.model);
    this.#sums.clear();
    const figures = { loss: 0, chunks: 0, learnt: 0, graphBytes: 0, memoryBytes: 0 };
    for (let sequence = 0; sequence < batch.sequences; sequence++) {
      const memory = new ChunkMemory(this.model.device, this.model.config, batch.length, true);
      try {
        const found = await this.#sequence(cut(batch, sequence, memory, this.#options, total), signal);
        figures.loss += found.loss;
        figures.chunks += found.chunks;
        figures.learnt += found.learnt;
        figures.graphBytes = Math.max(figures.graphBytes, found.graphBytes);
        figures.memoryBytes = Math.max(figures.memoryBytes, memory.sizeBytes);
      } finally {
        memory.close();
      }
    }
    return { ...figures, gradients: this.model.parameters.map(({ name }) => this.#valuesOf(name)) };
  }

  async #sequence(chunks: readonly Chunk[], signal: AbortSignal | undefined) {
    const shares = chunks.map(({ weights }) => weights.reduce((sum, weight) => sum + weight, 0));
    const answers = new Set([...shares.keys()].filter((index) => (shares[index] ?? 0) > 0));
    if (answers.size === 0) return { loss: 0, graphBytes: 0, chunks: chunks.length, learnt: 0 };
    const { chosen, lossFactor, hopFactor } = this.#options.choose({ chunks: chunks.length, answers });
    // Nothing has a gradient behind the last target, and nothing is read behind the last chunk that is learnt from.
    const learnt = chosen.filter((index) => index <= Math.max(...answers)).reverse();
    const [last = 0] = learnt;
    const sums = this.model.parameters.map(({ name }) => this.#sums.tensor(name));
    let [loss, share, graphBytes] = [0, 0, 0];
    for (const chunk of chunks.slice(0, last))
      graphBytes = Math.max(graphBytes, (await runForward(this.model, chunk, { wantsLoss: false, signal })).bytes);
    for (const index of learnt) {
      const chunk = chunks[index] as Chunk;
      const isLast = index === last;
      const options = { sums, lossFactor, hopFactor: isLast ? 0 : hopFactor, stores: isLast, signal };
      const result = await runBackward(this.model, chunk, options);
      if (!Number.isFinite(result.loss)) throw diverged(chunk, index, result.loss);
      loss += result.loss;
      share += shares[index] ?? 0;
      graphBytes = Math.max(graphBytes, result.bytes);
    }
    const all = shares.reduce((sum, value) => sum + value, 0);
    return { loss: share === 0 ? 0 : (loss / share) * all, graphBytes, chunks: chunks.length, learnt: learnt.length };
  }

  /** Mean loss over the targets of a batch, forward only. */
  async evaluate(batch: TokenBatch, total: number, signal?: AbortSignal): Promise<number> {
    checkBatch(batch, this.model);
    let loss = 0;
    for (let sequence = 0; sequence < batch.sequences; sequence++) {
      const memory = new ChunkMemory(this.model.device, this.model.config, batch.length, false);
      try {
        for (const chunk of cut(batch, sequence, memory, this.#options, total))
          loss += (await runForward(this.model, chunk, { wantsLoss: true, signal })).loss;
      } finally {
        memory.close();
      }
    }
    return loss;
  }

  #valuesOf(name: string): Float32Array {
    const tensor = this.#sums.tensor(name);
    const bytes = this.#sums.bytes(tensor);
    if (bytes !== undefined) return new Float32Array(bytes.buffer, bytes.byteOffset, tensor.elements);
    const values = new Float32Array(tensor.elements);
    this.#sums.read(tensor, values);
    return values;
  }

  close(): void {
    this.#sums.close();
  }
}

const usualScores = 2 ** 22;

function cut(
  batch: TokenBatch,
  sequence: number,
  memory: ChunkMemory,
  { chunkSize: size, scoresAtOnce = usualScores }: ChunkedOptions,
  total: number,
): Chunk[] {
  const { tokens, targets, weights, length } = batch;
  const chunks: Chunk[] = [];
  for (let start = 0; start < length; start += size) {
    const own = Math.min(size, length - start);
    const from = sequence * length + start;
    chunks.push({
      memory,
      start,
      length: own,
      scoresAtOnce,
      tokens: tokens.slice(from, from + own),
      targets: targets.slice(from, from + own),
      weights: Float32Array.from({ length: own }, (_, row) => (weights?.[from + row] ?? 1) / total),
    });
  }
  return chunks;
}

function checkBatch(batch: TokenBatch, { config }: TrainableModel): void {
  const { tokens, targets, weights, sequences, length, firstPosition = 0 } = batch;
  const rows = sequences * length;
  const fits = tokens.length === rows && targets.length === rows && (weights?.length ?? rows) === rows;
  if (!fits || !(rows >= 1)) {
    throw new QuireError("bad-shape", "The batch does not have the size it says.", {
      got: [tokens.length, targets.length, weights?.length],
      expected: `${sequences} sequences of ${length} tokens, a target each`,
    });
  }
  if (firstPosition !== 0) {
    throw new QuireError("unsupported", "Training chunk by chunk begins every sequence at position 0.", {
      got: firstPosition,
      expected: 0,
    });
  }
  for (const list of [tokens, targets]) {
    for (const token of list) {
      if (token >= 0 && token < config.vocabSize) continue;
      throw new QuireError("bad-input", `The data holds token ${token}, and the model knows ${config.vocabSize}.`, {
        got: token,
        expected: `0 to ${config.vocabSize - 1}`,
        fix: "Train with the model's own tokenizer.",
      });
    }
  }
}

function diverged({ start, length }: Chunk, index: number, loss: number): QuireError {
  return new QuireError(
    "diverged",
    `The loss of chunk ${index} (tokens ${start} to ${start + length}) is not finite.`,
    {
      got: loss,
      expected: "a finite number",
      fix: "Lower the learning rate, warm up longer or clip harder.",
    },
  );
}
