import { QuireError } from "../errors.js";
import { describe } from "./check.js";
import type { Device } from "./device.js";
import { type DType, dtypes } from "./dtype.js";
import { ggml } from "./ffi/ggml.js";
import { checkShape, ggmlSizes, type Shape, sizeBytes } from "./shape.js";
import { Tensor } from "./tensor.js";

/** Tensors that outlive graphs: weights, caches, optimiser moments. All tensors of a storage are allocated at once, in one
 *  buffer, and freed together. */

export interface TensorSpec {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Where ggml_tensor keeps what a buffer type attaches to it ("extra"). */
const converterOffset = 320;

export class Storage {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly sizeBytes: number;
  readonly device: Device;
  /** Repacked memory takes whole tensors only and cannot be read back. */
  readonly repacked: boolean;
  #context: number;
  #buffer: number;

  private constructor(device: Device, specs: readonly TensorSpec[], bufferType: number) {
    const g = ggml();
    this.device = device;
    this.repacked = bufferType !== device.bufferType;
    this.#context = g.init((specs.length + 1) * g.ggml_tensor_overhead());
    this.tensors = new Map(
      specs.map((spec) => {
        const pointer = g.ggml_new_tensor_4d(this.#context, dtypes[spec.dtype].id, ...ggmlSizes(spec.shape));
        return [spec.name, new Tensor({ pointer, dtype: spec.dtype, shape: spec.shape, name: spec.name, owner: this })];
      }),
    );
    this.#buffer = g.ggml_backend_alloc_ctx_tensors_from_buft(this.#context, bufferType);
    if (this.#buffer === 0) {
      const needed = specs.reduce((sum, spec) => sum + sizeBytes(spec.dtype, spec.shape), 0);
      g.ggml_free(this.#context);
      throw new QuireError("native", `${device.info.name} has no room for ${Math.ceil(needed / 2 ** 20)} MiB.`, {
        got: needed,
        expected: `at most ${device.info.freeBytes} bytes`,
        fix: "Use a smaller model, a shorter context or a smaller cache type.",
      });
    }
    this.sizeBytes = g.ggml_backend_buffer_get_size(this.#buffer);
    if (this.repacked) this.#checkRepacked();
  }

  /** A tensor for which a repacked buffer knows no order has no converter there, and a write would end the process. */
  #checkRepacked(): void {
    for (const tensor of this.tensors.values()) {
      if (new BigUint64Array(ggml().memory(tensor.pointer + converterOffset, 8))[0] !== 0n) continue;
      this.close();
      throw new QuireError("unsupported", `${tensor.name} cannot be stored repacked.`, {
        got: describe(tensor),
        fix: "Store it in the device's plain memory.",
      });
    }
  }

  static allocate(device: Device, specs: readonly TensorSpec[], bufferType = device.bufferType): Storage {
    const names = new Set<string>();
    for (const { name, dtype, shape } of specs) {
      checkShape(`tensor ${name}`, dtype, shape);
      if (names.has(name)) throw new QuireError("bad-input", `There are two tensors named ${name}.`, { got: name });
      names.add(name);
    }
    if (specs.length === 0) throw new QuireError("bad-input", "A storage without tensors cannot be allocated.");
    return new Storage(device, specs, bufferType);
  }

  get open(): boolean {
    return this.#context !== 0;
  }

  tensor(name: string): Tensor {
    const found = this.tensors.get(name);
    if (found === undefined) throw new QuireError("not-found", `There is no tensor ${name}.`, { got: name });
    return found;
  }

  /** Writes bytes into a tensor. Never call it while a graph that uses the tensor is running. */
  write(tensor: Tensor, bytes: ArrayBufferView, offset = 0): void {
    this.#checkRange(tensor, bytes.byteLength, offset);
    if (this.repacked && (offset !== 0 || bytes.byteLength !== tensor.sizeBytes)) {
      throw new QuireError("bad-input", `${tensor.name} is stored repacked and must be written whole.`);
    }
    ggml().ggml_backend_tensor_set(tensor.pointer, bytes, offset, bytes.byteLength);
  }

  read(tensor: Tensor, into: ArrayBufferView, offset = 0): void {
    this.#checkRange(tensor, into.byteLength, offset);
    if (this.repacked)
      throw new QuireError("unsupported", `${tensor.name} is stored repacked and cannot be read back.`);
    ggml().ggml_backend_tensor_get(tensor.pointer, into, offset, into.byteLength);
  }

  /** A tensor's bytes in place, where the device's memory is the host's. Valid until `close`; never use it while a graph that uses
   *  the tensor is running. */
  bytes(tensor: Tensor): Uint8Array | undefined {
    this.#checkRange(tensor, 0, 0);
    if (!this.device.isHost || this.repacked) return undefined;
    const g = ggml();
    return new Uint8Array(g.memory(g.ggml_get_data(tensor.pointer), tensor.sizeBytes));
  }

  clear(): void {
    this.#checkOpen();
    ggml().ggml_backend_buffer_clear(this.#buffer, 0);
  }

  close(): void {
    if (this.#context === 0) return;
    const g = ggml();
    g.ggml_backend_buffer_free(this.#buffer);
    g.ggml_free(this.#context);
    this.#context = 0;
    this.#buffer = 0;
  }

  #checkOpen(): void {
    if (!this.open)
      throw new QuireError("bad-input", "The tensors were freed.", { fix: "Do not use a model after close()." });
  }

  #checkRange(tensor: Tensor, length: number, offset: number): void {
    this.#checkOpen();
    if (tensor.owner !== this) throw new QuireError("bad-input", `${tensor.name} lies in another storage.`);
    if (offset < 0 || offset + length > tensor.sizeBytes) {
      throw new QuireError("bad-shape", `${tensor.name}: bytes ${offset} to ${offset + length} lie outside it.`, {
        got: length,
        expected: `at most ${tensor.sizeBytes - offset} bytes`,
      });
    }
  }
}
