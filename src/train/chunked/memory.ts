import type { ModelConfig } from "../../models/architecture.js";
import type { Device } from "../../tensor/device.js";
import { Storage } from "../../tensor/storage.js";
import type { Tensor } from "../../tensor/tensor.js";

/** Keys and values of a whole sequence in every layer, f32 [K, n, D], and the gradients that later chunks leave for them. It is all
 *  that remains of a chunk once its graph is freed. */
export class ChunkMemory {
  readonly length: number;
  readonly #values: Storage;
  readonly #gradients: Storage | undefined;

  constructor(device: Device, { numLayers, numKvHeads, headDim }: ModelConfig, length: number, learns: boolean) {
    this.length = length;
    const specs = [...Array(numLayers).keys()].flatMap((layer) =>
      (["keys", "values"] as const).map((part) => ({
        name: `${part} ${layer}`,
        dtype: "f32" as const,
        shape: [numKvHeads, length, headDim],
      })),
    );
    this.#values = Storage.allocate(device, specs);
    // What is not written yet is masked, but must be a number.
    this.#values.clear();
    if (!learns) return;
    try {
      this.#gradients = Storage.allocate(device, specs);
      this.#gradients.clear();
    } catch (error) {
      this.#values.close();
      throw error;
    }
  }

  get sizeBytes(): number {
    return this.#values.sizeBytes + (this.#gradients?.sizeBytes ?? 0);
  }

  part(which: "keys" | "values", layer: number): Tensor {
    return this.#values.tensor(`${which} ${layer}`);
  }

  /** What later chunks found to be the gradient of a layer's keys or values, where gradients are kept. */
  gradient(which: "keys" | "values", layer: number): Tensor | undefined {
    return this.#gradients?.tensor(`${which} ${layer}`);
  }

  close(): void {
    this.#values.close();
    this.#gradients?.close();
  }
}
