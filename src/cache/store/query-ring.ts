import type { Device } from "../../tensor/device.js";
import { Storage } from "../../tensor/storage.js";
import type { Tensor } from "../../tensor/tensor.js";

/** The newest queries of a prompt, rotated, f32 [H, rows, D] a layer: that of a position lies at position modulo `rows`. Slices of
 *  a prompt may thus be shorter than what a policy wants to look at together. */

/** How a layer turns products into weights. */
export interface Scoring {
  readonly scale: number;
  readonly softcap?: number;
}

export class QueryRing {
  readonly rows: number;
  readonly #device: Device;
  readonly #layers = new Map<number, { storage: Storage; queries: Tensor; scoring: Scoring }>();

  constructor(device: Device, rows: number) {
    this.#device = device;
    this.rows = rows;
  }

  /** Where the queries of a layer go. */
  open(layer: number, heads: number, headDim: number, scoring: Scoring): Tensor {
    const found = this.#layers.get(layer);
    if (found !== undefined) return found.queries;
    const storage = Storage.allocate(this.#device, [
      { name: "queries", dtype: "f32", shape: [heads, this.rows, headDim] },
    ]);
    storage.clear();
    const queries = storage.tensor("queries");
    this.#layers.set(layer, { storage, queries, scoring });
    return queries;
  }

  /** Undefined where no pass has written any. */
  layer(layer: number): { readonly queries: Tensor; readonly scoring: Scoring } | undefined {
    return this.#layers.get(layer);
  }

  close(): void {
    for (const { storage } of this.#layers.values()) storage.close();
    this.#layers.clear();
  }
}
