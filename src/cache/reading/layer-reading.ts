import type { DType } from "../../tensor/dtype.js";
import type { Graph, HostArray } from "../../tensor/graph.js";
import type { Shape } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";

/** For policies that restrict what is read instead of dropping it: they build the attention of a layer themselves out of tensor
 *  operations. The graph is built once for a form of pass and run many times, so whatever changes from pass to pass is an input.
 *  Letters as in ../policy.ts, and R rows of the pass, g = H / K. */

/** Attention of the rows of one sequence in one layer. */
export interface LayerReading {
  readonly layer: number;
  readonly graph: Graph;
  /** f32 [H, R, D], rotated. */
  readonly queries: Tensor;
  /** [K, E, D] in slots, rotated, with those of the rows in it; E is a multiple of 64, the rest is masked. */
  readonly keys: Tensor;
  readonly values: Tensor;
  /** f16 [R, E]: 0 where a row may look, -Infinity elsewhere. */
  readonly mask: Tensor;
  readonly scale: number;
  readonly softcap?: number;
  /** Without rotation, where `needs.raw` asks for it: queries f32 [H, R, D], keys [K, E, D]. */
  readonly raw?: { readonly queries: Tensor; readonly keys: Tensor };
  /** The layer's own rotation of x [n, heads, D] to i32 positions [n]. */
  rotate(x: Tensor, positions: Tensor): Tensor;
  /** f32 [H, R, D], without rotation. */
  readonly plainQueries?: Tensor;
  /** What the engine would do: [R, H·D]. */
  usual(): Tensor;
  /** An input that `fill` writes before every pass; one of a name a pass, whichever layer asks for it. */
  input(name: string, dtype: DType, shape: Shape, fill: (values: HostArray, pass: PassState) => void): Tensor;
  /** Makes a result readable after the pass, by `view.outputs`. */
  output(name: string, tensor: Tensor): void;
}

/** The state of the rows [R, C] after a layer, for policies that judge by it. */
export interface LayerState {
  readonly layer: number;
  readonly graph: Graph;
  readonly rows: Tensor;
  input: LayerReading["input"];
  output: LayerReading["output"];
}

/** The memory as a pass is about to read it: its rows have their slots already. */
export interface PassState {
  /** Rows of the pass, and their positions. */
  readonly rows: number;
  readonly positions: Int32Array;
  readonly promptTokens: number;
  slots(layer: number, kvHead: number): { readonly slots: Int32Array; readonly positions: Int32Array };
}

/** What a run may add to its hooks. */
export interface Reader {
  /** Gives [R, H·D], or undefined for the usual attention. Called for each managed layer in turn when a graph is built. */
  read?(reading: LayerReading): Tensor | undefined;
  /** Called after each layer when a graph is built; the last layer shows only rows whose logits are wanted. */
  watchLayer?(state: LayerState): void;
  /** Whatever else the graph depends on; part of its key. `rows` of the next pass. */
  readKey?(rows: number): string;
}
