import type { DType } from "../tensor/dtype.js";

/** A file (or folder of files) of named tensors with metadata, opened without reading the tensors. `gguf.ts` and
 *  `safetensors.ts` make one; `load.ts` moves its tensors into a device's memory, streaming, one copy at a time. */
export interface WeightFile {
  readonly format: "gguf" | "safetensors";
  readonly path: string;
  /** Sizes and offsets were checked against the file's length when it was opened. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** GGUF metadata; for safetensors config.json, flattened with dots. Arrays of numbers come as typed arrays. */
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** Bytes of all tensors together. */
  readonly sizeBytes: number;
  /** Reads `target.byteLength` bytes of a tensor's data from `offset` into `target`. Asynchronous, positioned, reentrant. */
  read(entry: TensorEntry, offset: number, target: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface TensorEntry {
  readonly name: string;
  readonly dtype: DType;
  /** Outermost first, as in PyTorch: a linear layer is [out, in]. */
  readonly shape: readonly number[];
  readonly sizeBytes: number;
  /** Which file of a sharded model, and where in it. */
  readonly file: number;
  readonly fileOffset: number;
}

export type MetadataValue =
  | string
  | number
  | boolean
  | bigint
  | readonly string[]
  | readonly boolean[]
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint32Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | BigInt64Array
  | BigUint64Array;
