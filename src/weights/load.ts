import { QuireError, throwIfAborted } from "../errors.js";
import type { Device } from "../tensor/device.js";
import { type DType, dtypes } from "../tensor/dtype.js";
import { ggml } from "../tensor/ffi/ggml.js";
import { type Shape, sameShape, sizeBytes } from "../tensor/shape.js";
import { Storage, type TensorSpec } from "../tensor/storage.js";
import type { Tensor } from "../tensor/tensor.js";
import { SplitMatrices } from "./split-q4-1.js";
import { toFloat32 } from "./to-float32.js";
import type { TensorEntry, WeightFile } from "./weight-file.js";

/** Moves the tensors that an architecture asks for from a file into a device's memory, streaming: at no time is there a second
 *  copy of more than one tensor. Matrices that are only multiplied go into repacked memory where the processor gains from it;
 *  matrices that share their input are stacked, so that one product does the work of several. */

export interface WeightRequest {
  readonly name: string;
  /** Names in the file, tried in order. */
  readonly from: readonly string[];
  readonly shape: Shape;
  /** "product": only ever multiplied. "rows": read row by row (embeddings), perhaps multiplied too. "vector": kept in f32. */
  readonly use: "product" | "rows" | "vector";
  readonly optional?: boolean;
  /** Computed instead of read, for tables that a configuration implies. */
  readonly values?: () => Float32Array;
  /** Further names under which files may hold this weight again; where they do, with the same bytes. */
  readonly same?: readonly string[];
  /** Members of a group share their input and are stacked along the first axis where their types allow. */
  readonly group?: string;
  /** Heads whose two halves the file holds interleaved, unlike published checkpoints: what adapters must know. */
  readonly interleavedHeads?: number;
}

/** Where a member of a group lies: rows `start` to `start + size` of a stacked matrix. */
export interface Stacked {
  readonly tensor: Tensor;
  readonly members: readonly { readonly name: string; readonly start: number; readonly size: number }[];
}

export interface Weights {
  get(name: string): Tensor;
  optional(name: string): Tensor | undefined;
  /** The stacked matrices of a group, members in the order they were asked for. */
  group(name: string): readonly Stacked[];
  has(name: string): boolean;
  readonly sizeBytes: number;
  close(): void;
}

export interface LoadOptions {
  /** Matrices may be multiplied in parts where that is faster: floats are then added in another order than other programs on ggml do.
   *  Such products have no gradients. */
  readonly inParts?: boolean;
  readonly onProgress?: (loadedBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
}

interface Placement {
  readonly values?: () => Float32Array;
  readonly spec: TensorSpec;
  readonly entries: readonly TensorEntry[];
  readonly convert: boolean;
}

const pieceBytes = 4 * 2 ** 20;

export async function loadWeights(
  file: WeightFile,
  requests: readonly WeightRequest[],
  device: Device,
  options: LoadOptions = {},
): Promise<Weights> {
  const groups = new Map<string, Stacked[]>();
  const { placements, stacks } = plan(file, requests);
  await mustBeSame(file, requests);
  const plain = placements.filter(({ spec }) => repackedType(device, spec, requests, stacks) === undefined);
  const repacked = placements.filter((placement) => !plain.includes(placement));
  const storages: Storage[] = [];
  const tensors = new Map<string, Tensor>();
  const splits = new SplitMatrices();
  const toSplit = options.inParts === true ? splittable(plain, requests, stacks) : new Set<Placement>();
  const totalBytes = placements.reduce((sum, { spec }) => sum + sizeBytes(spec.dtype, spec.shape), 0);
  let loadedBytes = 0;
  try {
    for (const [list, bufferType] of [
      [plain, device.bufferType],
      [repacked, device.repackedBufferTypes[0] ?? device.bufferType],
    ] as const) {
      if (list.length === 0) continue;
      const storage = Storage.allocate(
        device,
        list.map(({ spec }) => spec),
        bufferType,
      );
      storages.push(storage);
      for (const placement of list) {
        throwIfAborted(options.signal);
        const tensor = storage.tensor(placement.spec.name);
        await fill(file, placement, storage, tensor);
        tensors.set(placement.spec.name, toSplit.has(placement) ? splits.add(device, tensor, storage) : tensor);
        loadedBytes += tensor.sizeBytes;
        options.onProgress?.(loadedBytes, totalBytes);
      }
    }
  } catch (error) {
    for (const storage of storages) storage.close();
    splits.close();
    throw error;
  }
  for (const { group, name, members } of stacks) {
    const tensor = tensors.get(name);
    if (tensor === undefined) continue;
    groups.set(group, [...(groups.get(group) ?? []), { tensor, members }]);
  }
  return {
    get: (name) => tensors.get(name) ?? missing(name),
    optional: (name) => tensors.get(name),
    group: (name) => groups.get(name) ?? missing(name),
    has: (name) => tensors.has(name) || groups.has(name),
    sizeBytes: storages.reduce((sum, storage) => sum + storage.sizeBytes, splits.sizeBytes),
    close: () => {
      splits.close();
      for (const storage of storages) storage.close();
    },
  };
}

function missing(name: string): never {
  throw new QuireError("bad-file", `The model has no tensor ${name}.`, { got: name });
}

interface Stack {
  readonly group: string;
  readonly name: string;
  readonly members: { name: string; start: number; size: number }[];
}

/** Finds each request in the file, checks its shape, and decides what is stacked with what. */
function plan(file: WeightFile, requests: readonly WeightRequest[]): { placements: Placement[]; stacks: Stack[] } {
  const placements: Placement[] = [];
  const stacks: Stack[] = [];
  let open: { stack: Stack; placement: { spec: TensorSpec; entries: TensorEntry[]; convert: boolean } } | undefined;
  for (const request of requests) {
    if (request.values !== undefined) {
      const spec = { name: request.name, dtype: "f32" as const, shape: request.shape };
      placements.push({ spec, entries: [], convert: false, values: request.values });
      open = undefined;
      continue;
    }
    const entry = request.from.map((name) => file.tensors.get(name)).find((found) => found !== undefined);
    if (entry === undefined) {
      if (request.optional === true) continue;
      throw new QuireError("bad-file", `${file.path} has no tensor ${request.from[0]}.`, {
        expected: request.from.join(" or "),
        fix: "The file is incomplete, or its architecture is not the one it names.",
      });
    }
    if (!sameShape(entry.shape, request.shape)) {
      throw new QuireError("bad-file", `${file.path}: ${entry.name} has the wrong shape.`, {
        got: `[${entry.shape.join(", ")}]`,
        expected: `[${request.shape.join(", ")}]`,
      });
    }
    const dtype = request.use === "vector" ? "f32" : entry.dtype;
    const convert = dtype !== entry.dtype;
    if (request.group === undefined) {
      placements.push({ spec: { name: request.name, dtype, shape: request.shape }, entries: [entry], convert });
      open = undefined;
      continue;
    }
    const rows = request.shape[0] ?? 0;
    const last = open?.placement.spec;
    const stackable =
      open !== undefined &&
      last !== undefined &&
      open.stack.group === request.group &&
      last.dtype === dtype &&
      sameShape(last.shape.slice(1), request.shape.slice(1));
    if (stackable && open !== undefined && last !== undefined) {
      const start = last.shape[0] ?? 0;
      open.stack.members.push({ name: request.name, start, size: rows });
      open.placement.spec = { ...last, shape: [start + rows, ...last.shape.slice(1)] };
      open.placement.entries.push(entry);
      open.placement.convert ||= convert;
    } else {
      const name = `${request.group}#${request.name}`;
      open = {
        stack: { group: request.group, name, members: [{ name: request.name, start: 0, size: rows }] },
        placement: { spec: { name, dtype, shape: request.shape }, entries: [entry], convert },
      };
      stacks.push(open.stack);
      placements.push(open.placement);
    }
  }
  return { placements, stacks };
}

/** Weights that a file holds several times, once for each use. */
async function mustBeSame(file: WeightFile, requests: readonly WeightRequest[]): Promise<void> {
  for (const { from, same = [] } of requests) {
    const first = from.map((name) => file.tensors.get(name)).find((found) => found !== undefined);
    for (const name of same) {
      const copy = file.tensors.get(name);
      if (first === undefined || copy === undefined) continue;
      if (copy.dtype === first.dtype && sameShape(copy.shape, first.shape) && (await sameBytes(file, first, copy)))
        continue;
      throw new QuireError("bad-file", `${file.path}: ${name} is not the same as ${first.name}.`, {
        got: "different values",
        expected: "one weight that is used several times",
        fix: "The file is damaged, or the model does not share what its configuration says.",
      });
    }
  }
}

async function sameBytes(file: WeightFile, a: TensorEntry, b: TensorEntry): Promise<boolean> {
  const size = Math.min(pieceBytes, a.sizeBytes);
  const [first, second] = [Buffer.alloc(size), Buffer.alloc(size)];
  for (let done = 0; done < a.sizeBytes; done += size) {
    const length = Math.min(size, a.sizeBytes - done);
    await file.read(a, done, first.subarray(0, length));
    await file.read(b, done, second.subarray(0, length));
    if (first.compare(second, 0, length, 0, length) !== 0) return false;
  }
  return true;
}

async function fill(file: WeightFile, placement: Placement, storage: Storage, tensor: Tensor): Promise<void> {
  if (placement.values !== undefined) {
    storage.write(tensor, placement.values());
    return;
  }
  const whole = storage.repacked || placement.convert;
  let offset = 0;
  const buffer = whole ? new Uint8Array(tensor.sizeBytes) : undefined;
  for (const entry of placement.entries) {
    if (placement.convert) {
      const raw = new Uint8Array(entry.sizeBytes);
      await file.read(entry, 0, raw);
      const values = toFloat32(entry.dtype, raw);
      buffer?.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset);
      offset += values.byteLength;
    } else if (buffer !== undefined) {
      await file.read(entry, 0, buffer.subarray(offset, offset + entry.sizeBytes));
      offset += entry.sizeBytes;
    } else {
      const piece = new Uint8Array(Math.min(pieceBytes, entry.sizeBytes));
      for (let done = 0; done < entry.sizeBytes; done += piece.byteLength) {
        const part = piece.subarray(0, Math.min(piece.byteLength, entry.sizeBytes - done));
        await file.read(entry, done, part);
        storage.write(tensor, part, offset + done);
      }
      offset += entry.sizeBytes;
    }
  }
  if (buffer !== undefined) storage.write(tensor, buffer);
}

/** The buffer type in which the processor multiplies this matrix faster, if there is one. ggml is asked with a product built
 *  for the purpose whose weight pretends to lie in such a buffer. */
function repackedType(
  device: Device,
  spec: TensorSpec,
  requests: readonly WeightRequest[],
  stacks: readonly Stack[],
): number | undefined {
  const bufferType = device.repackedBufferTypes[0];
  if (bufferType === undefined || spec.shape.length !== 2) return undefined;
  if (!isOnlyMultiplied(spec, requests, stacks)) return undefined;
  return repackSupported(device, bufferType, spec) ? bufferType : undefined;
}

/** Matrices that are multiplied faster in two parts. The parts take as much memory as the matrices do, which large models are spared. */
function splittable(
  plain: readonly Placement[],
  requests: readonly WeightRequest[],
  stacks: readonly Stack[],
): ReadonlySet<Placement> {
  const found = plain.filter(({ spec }) => spec.dtype === "q4_1" && isOnlyMultiplied(spec, requests, stacks));
  const bytes = found.reduce((sum, { spec }) => sum + sizeBytes(spec.dtype, spec.shape), 0);
  return new Set(bytes <= mostSplitBytes ? found : []);
}

const mostSplitBytes = 2 ** 29;

function isOnlyMultiplied(spec: TensorSpec, requests: readonly WeightRequest[], stacks: readonly Stack[]): boolean {
  const name = stacks.find((stack) => stack.name === spec.name)?.members[0]?.name ?? spec.name;
  return requests.find((request) => request.name === name)?.use === "product";
}

const supported = new Map<string, boolean>();

function repackSupported(device: Device, bufferType: number, spec: TensorSpec): boolean {
  const [rows = 1, columns = 1] = spec.shape;
  const key = `${spec.dtype}:${rows}:${columns}`;
  const known = supported.get(key);
  if (known !== undefined) return known;
  const g = ggml();
  const context = g.init(8 * g.ggml_tensor_overhead());
  const buffer = g.ggml_backend_buft_alloc_buffer(bufferType, 0);
  const weight = g.ggml_new_tensor_4d(context, dtypeId(spec.dtype), columns, rows, 1, 1);
  const input = g.ggml_new_tensor_4d(context, dtypeId("f32"), columns, 512, 1, 1);
  const product = g.ggml_mul_mat(context, weight, input);
  const bufferFieldOffset = 8;
  const field = new BigUint64Array(g.memory(weight + bufferFieldOffset, 8));
  field[0] = BigInt(buffer);
  const answer = g.ggml_backend_dev_supports_op(device.handle, product);
  field[0] = 0n;
  g.ggml_backend_buffer_free(buffer);
  g.ggml_free(context);
  supported.set(key, answer);
  return answer;
}

function dtypeId(dtype: DType): number {
  return dtypes[dtype].id;
}
