import type { Batch } from "../../models/architecture.js";
import { gradients } from "../../tensor/autodiff.js";
import { Graph } from "../../tensor/graph.js";
import { tokenLosses } from "../../tensor/ops/loss.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { TrainableModel } from "../trainable.js";
import { ChunkInputs, type ChunkPlace, learnChunk, readChunk, rowsAtOnce } from "./attention.js";

/** The graph of one chunk, built, run once and freed: reading stores keys and values and keeps nothing else; learning builds the chunk
 *  again on what is stored and runs it backwards. */

export interface Chunk extends ChunkPlace {
  readonly tokens: Int32Array;
  /** The token after each row; any token where the weight is 0. */
  readonly targets: Int32Array;
  /** Weight of each row's loss. */
  readonly weights: Float32Array;
}

export interface ChunkResult {
  /** Sum of the rows' losses by their weights. */
  readonly loss: number;
  /** Bytes of the graph. */
  readonly bytes: number;
}

/** Forward only. Without `wantsLoss` the last layer's feed-forward and the head are left out, and the loss is NaN. */
export async function runForward(
  model: TrainableModel,
  chunk: Chunk,
  { wantsLoss, signal }: { wantsLoss: boolean; signal?: AbortSignal },
): Promise<ChunkResult> {
  return runChunk(model, chunk, nodesFor(model, chunk, false), signal, (inputs, batch) => {
    const logits = model.architecture.forward(model.config, model.weights, {
      ...batch,
      attend: (layer, queries, keys, values, options) => readChunk(inputs, layer, [queries, keys, values], options),
    });
    return wantsLoss ? logits : undefined;
  });
}

export interface LearnOptions {
  /** Where gradients of the parameters are added up, in their order. */
  readonly sums: readonly Tensor[];
  /** Factor of this chunk's own loss. */
  readonly lossFactor: number;
  /** Factor of what later chunks left; 0: nothing was left. */
  readonly hopFactor: number;
  /** The chunk was not read before. */
  readonly stores: boolean;
  readonly signal?: AbortSignal;
}

/** Forward and backward of a chunk, all before it having been read. */
export async function runBackward(model: TrainableModel, chunk: Chunk, options: LearnOptions): Promise<ChunkResult> {
  const { sums, lossFactor, hopFactor, stores, signal } = options;
  return runChunk(model, chunk, nodesFor(model, chunk, true), signal, (inputs, batch, lossOf) => {
    const logits = model.architecture.forward(model.config, model.weights, {
      ...batch,
      attend: (layer, queries, keys, values, attending) =>
        learnChunk(inputs, layer, [queries, keys, values], attending, { hop: hopFactor, stores }),
    });
    const loss = lossOf(logits).scale(lossFactor);
    for (const [index, gradient] of gradients(loss, model.parameters).entries()) {
      const sum = inputs.graph.use(sums[index] as Tensor);
      const added = gradient.add(sum).copyInto(sum);
      inputs.graph.effect(added);
    }
    return logits;
  });
}

async function runChunk(
  { device }: TrainableModel,
  chunk: Chunk,
  maxNodes: number,
  signal: AbortSignal | undefined,
  build: (inputs: ChunkInputs, batch: Omit<Batch, "attend">, lossOf: (logits: Tensor) => Tensor) => Tensor | undefined,
): Promise<ChunkResult> {
  const graph = new Graph(device, { maxNodes });
  try {
    const { length, start } = chunk;
    const inputs = new ChunkInputs(graph, chunk);
    const tokens = graph.constant(chunk.tokens, [length], "tokens");
    const positions = graph.constant(
      Int32Array.from({ length }, (_, row) => start + row),
      [length],
      "positions",
    );
    const targets = graph.constant(chunk.targets, [length], "targets");
    const weights = graph.constant(chunk.weights, [length, 1], "weights");
    let loss: Tensor | undefined;
    const lossOf = (logits: Tensor): Tensor => {
      loss ??= tokenLosses(logits, targets).mul(weights).sum();
      return loss;
    };
    const logits = build(inputs, { graph, tokens, positions, wanted: (x) => x }, lossOf);
    const output = logits === undefined ? undefined : graph.output(lossOf(logits), "loss");
    graph.compile();
    inputs.fill();
    await graph.run(signal);
    return { loss: output === undefined ? Number.NaN : (graph.host(output)[0] ?? Number.NaN), bytes: graph.sizeBytes };
  } finally {
    graph.close();
  }
}

/** Room for nodes: a block forward, backward, and the row blocks of its attention. */
function nodesFor(
  { config, parameters }: TrainableModel,
  { start, length, scoresAtOnce }: Chunk,
  learns: boolean,
): number {
  const blocks = Math.ceil(length / rowsAtOnce(config.numHeads, start + length, length, scoresAtOnce));
  const layer = learns ? 600 + 40 * blocks : 150;
  return config.numLayers * layer + (learns ? 16 * parameters.length : 0) + 512;
}
