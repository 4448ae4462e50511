import type { Architecture, ModelConfig } from "../../models/architecture.js";
import { bidirectionalAttention } from "../../models/blocks/bidirectional-attention.js";
import type { Device } from "../../tensor/device.js";
import { Graph } from "../../tensor/graph.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Weights } from "../../weights/load.js";
import { fillMask } from "./pack-texts.js";

/** One forward pass of an encoder over texts that lie side by side in its rows. The graph is built for a number of rows and of
 *  wanted rows, and used again for every pass that fits. */

export interface Encoder {
  readonly architecture: Architecture<ModelConfig>;
  readonly config: ModelConfig;
  readonly weights: Weights;
  readonly device: Device;
}

export class EncoderPass {
  readonly rows: number;
  readonly #graph: Graph;
  readonly #tokens: Tensor;
  readonly #positions: Tensor;
  readonly #mask: Tensor;
  /** Undefined where all rows are wanted. */
  readonly #wanted: Tensor | undefined;
  readonly #states: Tensor;

  /** `wantedRows`: how many rows' hidden states are needed; undefined = all. */
  constructor({ architecture, config, weights, device }: Encoder, rows: number, wantedRows: number | undefined) {
    this.rows = rows;
    const graph = new Graph(device, { maxNodes: 128 + 64 * config.numLayers });
    this.#graph = graph;
    try {
      this.#tokens = graph.input("tokens", "i32", [rows]);
      this.#positions = graph.input("positions", "i32", [rows]);
      this.#mask = graph.input("mask", "f16", [rows, rows]);
      const wanted = wantedRows === undefined ? undefined : graph.input("wanted", "i32", [wantedRows]);
      this.#wanted = wanted;
      const states = architecture.forward(config, weights, {
        graph,
        tokens: this.#tokens,
        positions: this.#positions,
        wanted: (x) => (wanted === undefined ? x : x.getRows(wanted)),
        attend: (_layer, q, k, v, options) => bidirectionalAttention(q, k, v, this.#mask, options),
      });
      this.#states = graph.output(states, "states");
      graph.compile();
    } catch (error) {
      graph.close();
      throw error;
    }
  }

  /** Hidden states of the wanted rows, valid until the next run. `wanted` numbers rows of the pass. */
  async run(
    texts: readonly Int32Array[],
    wanted: readonly number[] | undefined,
    signal?: AbortSignal,
  ): Promise<Float32Array> {
    const tokens = this.#graph.host<Int32Array>(this.#tokens);
    const positions = this.#graph.host<Int32Array>(this.#positions);
    let row = 0;
    for (const text of texts) {
      tokens.set(text, row);
      for (let at = 0; at < text.length; at++) positions[row + at] = at;
      row += text.length;
    }
    tokens.fill(0, row);
    positions.fill(0, row);
    fillMask(
      this.#graph.host<Uint16Array>(this.#mask),
      this.rows,
      texts.map(({ length }) => length),
    );
    if (this.#wanted !== undefined) {
      const target = this.#graph.host<Int32Array>(this.#wanted);
      target.fill(0);
      target.set(wanted ?? []);
    }
    await this.#graph.run(signal);
    return this.#graph.host(this.#states);
  }

  close(): void {
    this.#graph.close();
  }
}
