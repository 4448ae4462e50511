import type { Segment } from "./forward.js";

/** Attention masks in f16: 0 where a row may look, -Infinity elsewhere. */

const allowed = 0;
const forbidden = 0xfc00;

/** Fills [rows, width] for a segment. `window` > 0: rows see only the newest `window` positions, themselves included. */
export function fillMask(mask: Uint16Array, segment: Segment, width: number, window: number): void {
  const { positions, store, sees } = segment;
  mask.fill(forbidden);
  if (sees !== undefined) {
    fillCommitted(mask, segment, width, window);
    fillAmong(mask, segment, width);
    return;
  }
  for (const [row, position] of positions.entries()) {
    const offset = row * width;
    const oldest = window > 0 ? position - window + 1 : 0;
    if (store.isDense) {
      mask.fill(allowed, offset + Math.max(0, oldest), offset + position + 1);
      continue;
    }
    for (let slot = 0; slot < store.extent; slot++) {
      const held = store.positions[slot] ?? -1;
      if (held >= 0 && held <= position && held >= oldest) mask[offset + slot] = allowed;
    }
  }
}

/** Everything that was in memory before this request. */
function fillCommitted(mask: Uint16Array, { positions, slots, store }: Segment, width: number, window: number): void {
  const own = new Set(slots);
  for (const [row, position] of positions.entries()) {
    const oldest = window > 0 ? position - window + 1 : 0;
    for (let slot = 0; slot < store.extent; slot++) {
      const held = store.positions[slot] ?? -1;
      if (held >= 0 && held >= oldest && !own.has(slot)) mask[row * width + slot] = allowed;
    }
  }
}

/** The rows of the request among themselves. */
function fillAmong(mask: Uint16Array, { slots, sees }: Segment, width: number): void {
  for (let row = 0; row < slots.length; row++) {
    if (sees?.kind === "block") {
      for (const slot of slots) mask[row * width + slot] = allowed;
      continue;
    }
    let ancestor = row;
    while (ancestor >= 0) {
      mask[row * width + (slots[ancestor] ?? 0)] = allowed;
      ancestor = sees?.parents[ancestor] ?? -1;
    }
  }
}
