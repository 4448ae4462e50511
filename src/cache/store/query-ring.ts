import type { Device } from "../../tensor/device.js";
import { Storage } from "../../tensor/storage.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { LayerShape } from "./layer-memory.js";

/** The newest queries of a prompt, rotated, f32 [H, rows, D] a layer: that of a position lies at position modulo `rows`. Slices of
 *  a prompt may thus be shorter than what a policy wants to look at together. */
export class QueryRing {
  readonly rows: number;
  readonly queryHeads: number;
  readonly #storage: Storage;

  constructor(
    device: Device,
    layers: readonly LayerShape[],
    managed: readonly number[],
    rows: number,
    queryHeads: number,
  ) {
    this.rows = rows;
    this.queryHeads = queryHeads;
    this.#storage = Storage.allocate(
      device,
      managed.map((layer) => ({
        name: String(layer),
        dtype: "f32",
        shape: [queryHeads, rows, layers[layer]?.headDim ?? 1],
      })),
    );
    this.#storage.clear();
  }

  /** Undefined for layers that no policy may touch. */
  layer(layer: number): Tensor | undefined {
    return this.#storage.tensors.get(String(layer));
  }

  close(): void {
    this.#storage.close();
  }
}
