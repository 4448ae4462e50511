import type { SharedSlots } from "../cache/store/shared-slots.js";
import { fillBranches } from "./branch-mask.js";
import type { Segment } from "./forward.js";
import type { LayerClass } from "./layer-classes.js";

/** Attention masks in f16: 0 where a row may look, -Infinity elsewhere. */

const allowed = 0;
const forbidden = 0xfc00;

/** Fills [rows, read] for a class of layers. `window` > 0: rows see only the newest `window` positions, themselves included. */
export function fillMask(mask: Uint16Array, segment: Segment, layers: LayerClass, window: number): void {
  mask.fill(forbidden);
  const { read, group } = layers;
  if (group === undefined) {
    fillHeads(mask, segment, layers);
    return;
  }
  const slots = segment.slots.shared[group.index] as Int32Array;
  if (segment.branches !== undefined) {
    fillBranches(mask, { ...segment.branches, positions: segment.positions }, { read, window, allowed });
    return;
  }
  if (segment.sees !== undefined) {
    fillCommitted(mask, segment, group.slots, slots, read, window);
    fillAmong(mask, segment, slots, read);
    return;
  }
  for (const [row, position] of segment.positions.entries()) {
    const offset = row * read;
    const oldest = window > 0 ? position - window + 1 : 0;
    if (group.slots.isDense) {
      mask.fill(allowed, offset + Math.max(0, oldest), offset + position + 1);
      continue;
    }
    for (let slot = 0; slot < group.slots.extent; slot++) {
      const held = group.slots.positions[slot] ?? -1;
      if (held >= 0 && held <= position && held >= oldest) mask[offset + slot] = allowed;
    }
  }
}

/** Where each head has its own slots, those held are the first, and several new rows are the last of them in every head. */
function fillHeads(mask: Uint16Array, segment: Segment, { read, entries }: LayerClass): void {
  const rows = segment.positions.length;
  const before = entries - rows;
  for (let row = 0; row < rows; row++) {
    const offset = row * read;
    mask.fill(allowed, offset, offset + (segment.sees === undefined ? before + row + 1 : before));
  }
  const own = Int32Array.from({ length: rows }, (_, row) => before + row);
  if (segment.sees !== undefined) fillAmong(mask, segment, own, read);
  // A single row may have filled a hole anywhere among them.
  if (rows === 1) mask.fill(allowed, 0, entries);
}

/** Everything that was in memory before this request. */
function fillCommitted(
  mask: Uint16Array,
  { positions }: Segment,
  map: SharedSlots,
  slots: Int32Array,
  width: number,
  window: number,
): void {
  const own = new Set(slots);
  for (const [row, position] of positions.entries()) {
    const oldest = window > 0 ? position - window + 1 : 0;
    for (let slot = 0; slot < map.extent; slot++) {
      const held = map.positions[slot] ?? -1;
      if (held >= 0 && held >= oldest && !own.has(slot)) mask[row * width + slot] = allowed;
    }
  }
}

/** The rows of the request among themselves. */
function fillAmong(mask: Uint16Array, { sees }: Segment, slots: Int32Array, width: number): void {
  for (let row = 0; row < slots.length; row++) {
    if (sees?.kind === "block") {
      for (const slot of slots) mask[row * width + slot] = allowed;
      continue;
    }
    if (sees?.kind !== "tree") continue;
    for (let ancestor = row; ancestor >= 0; ancestor = sees.parents[ancestor] ?? -1)
      mask[row * width + (slots[ancestor] ?? 0)] = allowed;
  }
}
