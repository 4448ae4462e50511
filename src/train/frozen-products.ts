import { QuireError } from "../errors.js";
import type { Device } from "../tensor/device.js";
import { Storage } from "../tensor/storage.js";
import { Tensor } from "../tensor/tensor.js";
import { readAsFloat32 } from "../weights/dequantise.js";
import type { WeightRequest, Weights } from "../weights/load.js";
import type { TensorEntry, WeightFile } from "../weights/weight-file.js";
import type { Product, ProductSite } from "../weights/weights-with-products.js";

/** Products with weights that are not learnt: forward with the weights as they serve, quantised and repacked; backward with transposed
 *  copies that are made once, since a quantised matrix can only be multiplied along its rows. */

export type BackwardType = "f32" | "bf16";

export interface FrozenProducts {
  of(site: ProductSite): Product;
  readonly sizeBytes: number;
  close(): void;
}

interface FrozenModel {
  readonly file: WeightFile;
  readonly requests: readonly WeightRequest[];
  readonly weights: Weights;
  readonly device: Device;
  readonly type: BackwardType | undefined;
  readonly signal?: AbortSignal;
}

export async function frozenProducts(model: FrozenModel): Promise<FrozenProducts> {
  const { device, signal } = model;
  const sites = sitesOf(model);
  const typeOf = ({ dtype }: Tensor): BackwardType => model.type ?? (dtype === "f32" ? "f32" : "bf16");
  const storage = Storage.allocate(
    device,
    sites.map(({ tensor }) => ({
      name: tensor.name,
      dtype: typeOf(tensor),
      shape: [tensor.size(1), tensor.size(0)],
    })),
  );
  try {
    for (const { tensor, members } of sites) {
      const [rows, columns] = [tensor.size(0), tensor.size(1)];
      const values = new Float32Array(rows * columns);
      for (const { name, start } of members) {
        signal?.throwIfAborted();
        values.set(await readAsFloat32(model.file, entryOf(model, name), device), start * columns);
      }
      storage.write(storage.tensor(tensor.name), encode(transposed(values, rows, columns), typeOf(tensor)));
    }
  } catch (error) {
    storage.close();
    throw error;
  }
  return {
    of: ({ tensor }) => {
      const copy = storage.tensors.get(tensor.name);
      return (x) => {
        const product = x.linear(tensor);
        if (copy === undefined) return product;
        return new Tensor({
          ...product,
          source: undefined,
          op: "frozen product",
          inputs: [x],
          gradient: (dy) => [dy.linear(copy)],
        });
      };
    },
    sizeBytes: storage.sizeBytes,
    close: () => storage.close(),
  };
}

/** Every matrix that something is multiplied with, stacks as they lie. */
function sitesOf({ requests, weights }: Pick<FrozenModel, "requests" | "weights">): ProductSite[] {
  const sites: ProductSite[] = [];
  const groups = new Set<string>();
  const hasHead = weights.optional("output.weight") !== undefined;
  for (const { name, use, shape, group } of requests) {
    // An embedding is multiplied with only where it serves as the head.
    if (shape.length !== 2 || use === "vector" || (use === "rows" && hasHead)) continue;
    if (group !== undefined) {
      if (!groups.has(group)) sites.push(...weights.group(group));
      groups.add(group);
      continue;
    }
    const tensor = weights.optional(name);
    if (tensor !== undefined) sites.push({ tensor, members: [{ name, start: 0, size: tensor.size(0) }] });
  }
  return sites;
}

function entryOf({ file, requests }: Pick<FrozenModel, "file" | "requests">, name: string): TensorEntry {
  const request = requests.find((one) => one.name === name);
  const entry = request?.from.map((known) => file.tensors.get(known)).find((found) => found !== undefined);
  if (entry === undefined) throw new QuireError("bad-file", `${file.path} has no tensor ${name}.`, { got: name });
  return entry;
}

/** In blocks that stay in the processor's cache. */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  const side = 32;
  for (let top = 0; top < rows; top += side) {
    for (let left = 0; left < columns; left += side) {
      const [bottom, right] = [Math.min(rows, top + side), Math.min(columns, left + side)];
      for (let column = left; column < right; column++) {
        for (let row = top; row < bottom; row++) result[column * rows + row] = values[row * columns + column] as number;
      }
    }
  }
  return result;
}

function encode(values: Float32Array, type: BackwardType): Float32Array | Uint16Array {
  if (type === "f32") return values;
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const result = new Uint16Array(values.length);
  // Round to nearest, ties to even.
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i] as number;
    result[i] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return result;
}
