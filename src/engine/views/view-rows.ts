import type { KeyValueStore } from "../../cache/store/key-values.js";
import type { RowVisibility } from "../../decode/decoder.js";
import { QuireError } from "../../errors.js";
import type { BlockMemory } from "./block-memory.js";

/** Where rows that read views go, at which positions, and what they see: numbers only. In a view blocks lie one after the other;
 *  a block's keys are stored rotated by their index in the block, so a query at position P of its view meets a block that begins at
 *  o as if it stood at P - o. */

/** A memory that rows of the request read or write: the sequence's own, which is one block, or a pool of them. */
export interface ViewPart {
  readonly store: KeyValueStore;
  /** Block by region; undefined where a region is free. */
  readonly regions: readonly (number | undefined)[];
  /** Slots of a region. */
  readonly size: number;
  /** Of them, attention reads the first; the mask forbids those that are not there. */
  readonly read: number;
  /** Rows of the request that go here, and their slots. */
  readonly rows: Int32Array;
  readonly slots: Int32Array;
}

export interface ViewRows {
  readonly memory: BlockMemory;
  readonly parts: readonly ViewPart[];
  /** i32 [R]: index of a row in its own block. */
  readonly keyPositions: Int32Array;
  /** i32 [regions of all parts, R]: position of a row counted from where a block begins in its view. */
  readonly queryPositions: Int32Array;
  /** The same form: first entries of a block that a row sees; 0 where the block is not in its view. */
  readonly visible: Int32Array;
}

/** Rows of one request at most: each takes rows of the mask. */
const mostRows = 512;

export type Views = Extract<RowVisibility, { kind: "views" }>;

/** Reads grow in few steps, so that a graph fits many lengths. */
export function readOf(length: number, capacity: number): number {
  const step =
    length <= 128 ? 2 ** Math.max(5, Math.ceil(Math.log2(length))) : roundedUp(length, length <= 512 ? 128 : 256);
  return Math.min(step, capacity);
}

function roundedUp(length: number, step: number): number {
  return Math.ceil(length / step) * step;
}

/** The last row of each view. */
export function lastRows({ of }: Views): Int32Array {
  return Int32Array.from([...of.keys()].filter((row) => of[row] !== of[row + 1]));
}

/** Throws where rows cannot be placed. */
export function checkViews(memory: BlockMemory, { of, views }: Views, rows: number): void {
  if (of.length !== rows)
    throw new QuireError("bad-input", "Every row needs a view.", { got: of.length, expected: rows });
  if (rows > mostRows) {
    throw new QuireError("bad-input", "So many rows that read views do not fit one pass.", {
      got: rows,
      expected: `at most ${mostRows}`,
    });
  }
  const groups = rowGroups(memory, of, views);
  const lengths = lengthsAfter(memory, groups);
  for (const { view } of groups) {
    const length = view.reduce((sum, block) => sum + (lengths.get(block) ?? 0), 0);
    if (length > memory.limit) {
      throw new QuireError("context-overflow", "A view would be longer than the context.", {
        got: length,
        expected: `at most ${memory.limit} tokens`,
      });
    }
  }
}

/** Takes slots for the rows and says what each sees once all of them are in. */
export function placeRows(memory: BlockMemory, { of, views }: Views, rows: number): ViewRows {
  const groups = rowGroups(memory, of, views);
  const lengths = lengthsAfter(memory, groups);
  const slots = new Map(groups.map(({ block, rows }) => [block, memory.reserve(block, rows)]));
  const parts = partsOf(memory, groups, lengths, slots);
  const regions = parts.flatMap((part) => part.regions);
  const keyPositions = new Int32Array(rows);
  const queryPositions = new Int32Array(regions.length * rows);
  const visible = new Int32Array(regions.length * rows);
  for (const { view, block, first, rows: count } of groups) {
    const starts = new Map<number, number>();
    let start = 0;
    for (const each of view) {
      starts.set(each, start);
      start += lengths.get(each) ?? 0;
    }
    const before = (lengths.get(block) ?? 0) - count;
    for (let row = 0; row < count; row++) {
      const index = before + row;
      keyPositions[first + row] = index;
      const position = (starts.get(block) ?? 0) + index;
      for (const [number, owner] of regions.entries()) {
        const begins = owner === undefined ? undefined : starts.get(owner);
        if (begins === undefined) continue;
        queryPositions[number * rows + first + row] = position - begins;
        visible[number * rows + first + row] = owner === block ? index + 1 : (lengths.get(owner as number) ?? 0);
      }
    }
  }
  return { memory, parts, keyPositions, queryPositions, visible };
}

/** Pools first: what is longest is joined on last. */
function partsOf(
  memory: BlockMemory,
  groups: readonly RowGroup[],
  lengths: ReadonlyMap<number, number>,
  slots: ReadonlyMap<number, Int32Array>,
): ViewPart[] {
  const { first } = memory;
  const places = [...memory.pools.map(({ store, owners, size }) => ({ store, regions: owners, size }))];
  places.push({ store: first, regions: [0], size: first.capacity });
  return places.flatMap(({ store, regions, size }): ViewPart[] => {
    const longest = Math.max(0, ...regions.map((block) => (block === undefined ? 0 : (lengths.get(block) ?? 0))));
    if (longest === 0) return [];
    const own = groups.filter(({ block }) => regions.includes(block));
    const rows = own.flatMap(({ first, rows }) => Array.from({ length: rows }, (_, row) => first + row));
    const places = own.flatMap(({ block }) => [...(slots.get(block) as Int32Array)]);
    const read = readOf(longest, size);
    return [{ store, regions: [...regions], size, read, rows: Int32Array.from(rows), slots: Int32Array.from(places) }];
  });
}

/** Of every block that somebody reads, with the new rows. */
function lengthsAfter(memory: BlockMemory, groups: readonly RowGroup[]): Map<number, number> {
  const lengths = new Map<number, number>();
  for (const { view } of groups) for (const block of view) lengths.set(block, memory.lengthOf(block));
  for (const { block, rows } of groups) lengths.set(block, (lengths.get(block) ?? 0) + rows);
  return lengths;
}

interface RowGroup {
  readonly view: readonly number[];
  /** Its last. */
  readonly block: number;
  readonly first: number;
  readonly rows: number;
}

/** Rows of one view lie together, and no two views write to one block. */
function rowGroups(memory: BlockMemory, of: Int32Array, views: Views["views"]): RowGroup[] {
  const groups: RowGroup[] = [];
  const refuse = (message: string, got: unknown): never => {
    throw new QuireError("bad-input", message, {
      got,
      expected: "rows view by view, each view with its own last block",
    });
  };
  for (let first = 0; first < of.length; ) {
    const number = of[first] as number;
    const view = views[number] ?? refuse(`Row ${first} reads a view that is not there.`, number);
    let end = first + 1;
    while (end < of.length && of[end] === number) end++;
    const block = view.at(-1) ?? refuse("A view has no blocks.", number);
    if (new Set(view).size !== view.length) refuse("A view holds a block twice.", view);
    if (groups.some((group) => group.block === block)) refuse("Two groups of rows go to one block.", block);
    for (const each of view) memory.lengthOf(each);
    groups.push({ view, block, first, rows: end - first });
    first = end;
  }
  return groups;
}
