import type { KeyValueShape, KeyValueStore } from "../../cache/store/key-values.js";
import { QuireError } from "../../errors.js";
import { sizeBytes } from "../../tensor/shape.js";
import { Storage } from "../../tensor/storage.js";
import type { Tensor } from "../../tensor/tensor.js";

/** Keys and values of a run of tokens, taken out of a sequence's memory: for all layers, keys and values, and heads in turn, the run's
 *  entries one after the other. Plain bytes in the computer's memory, no slot and no graph. */
export interface EntryRun {
  readonly tokens: number;
  readonly bytes: Uint8Array;
}

/** One head's part of a tensor [K, capacity, D]. */
interface Column {
  readonly tensor: Tensor;
  readonly storage: Storage;
  readonly start: number;
  readonly entryBytes: number;
}

/** Reads the entries of the tokens `from` to `to`; undefined where the memory does not hold every token in the order of the text. */
export function readRun(store: KeyValueStore, from: number, to: number): EntryRun | undefined {
  if (!store.isDense || to > store.tokens) return undefined;
  const all = columns(store);
  const tokens = to - from;
  const bytes = new Uint8Array(tokens * all.reduce((sum, { entryBytes }) => sum + entryBytes, 0));
  let offset = 0;
  for (const { tensor, storage, start, entryBytes } of all) {
    const length = tokens * entryBytes;
    storage.read(tensor, bytes.subarray(offset, offset + length), start + from * entryBytes);
    offset += length;
  }
  return { tokens, bytes };
}

/** Adds the first `count` entries of a run to a memory that holds the tokens before it and nothing else. */
export function appendRun(store: KeyValueStore, run: EntryRun, count: number): void {
  const from = store.tokens;
  store.reserve(count);
  if (!store.isDense) throw new QuireError("bad-input", "A run of entries can only follow the tokens before it.");
  let offset = 0;
  for (const { tensor, storage, start, entryBytes } of columns(store)) {
    const part = run.bytes.subarray(offset, offset + count * entryBytes);
    storage.write(tensor, part, start + from * entryBytes);
    offset += run.tokens * entryBytes;
  }
}

/** Both parts of a run that is cut after `at` tokens. `widths`: bytes of an entry in each of the run's columns. */
export function cutRun(
  { tokens, bytes }: EntryRun,
  at: number,
  widths: readonly number[],
): readonly [EntryRun, EntryRun] {
  const rest = tokens - at;
  const width = widths.reduce((sum, bytes) => sum + bytes, 0);
  const left = new Uint8Array(at * width);
  const right = new Uint8Array(rest * width);
  let before = 0;
  for (const entryBytes of widths) {
    const start = before * tokens;
    const middle = start + at * entryBytes;
    left.set(bytes.subarray(start, middle), before * at);
    right.set(bytes.subarray(middle, middle + rest * entryBytes), before * rest);
    before += entryBytes;
  }
  return [
    { tokens: at, bytes: left },
    { tokens: rest, bytes: right },
  ];
}

/** Bytes of an entry in each column of runs of this shape. */
export function entryWidths({ layers, type }: KeyValueShape): number[] {
  return layers.flatMap(({ kvHeads, headDim }) => new Array<number>(2 * kvHeads).fill(sizeBytes(type, [headDim])));
}

function columns(store: KeyValueStore): Column[] {
  const result: Column[] = [];
  for (const layer of store.shape.layers.keys()) {
    const { keys, values } = store.layer(layer);
    for (const tensor of [keys, values]) {
      const storage = tensor.owner;
      if (!(storage instanceof Storage)) throw new QuireError("bad-input", `${tensor.name} lies in no storage.`);
      const headBytes = tensor.sizeBytes / tensor.size(0);
      const entryBytes = headBytes / tensor.size(1);
      for (let head = 0; head < tensor.size(0); head++)
        result.push({ tensor, storage, start: head * headBytes, entryBytes });
    }
  }
  return result;
}
