import type { LayerShape } from "./layer-memory.js";
import { SharedSlots } from "./shared-slots.js";

/** Layers that share one map from slots to positions: all that every row enters, and those of each list (see `LayerShape`). */
export interface SlotGroup {
  readonly layers: readonly number[];
  slots: SharedSlots;
  /** Rows come in by `join` alone. */
  readonly list?: number;
}

export function firstGroups(layers: readonly LayerShape[], capacity: { whole: number; list: number }): SlotGroup[] {
  const byList = new Map<number | undefined, number[]>();
  for (const [layer, { list }] of layers.entries()) byList.set(list, [...(byList.get(list) ?? []), layer]);
  return [...byList].map(([list, own]) =>
    list === undefined
      ? { layers: own, slots: new SharedSlots(capacity.whole) }
      : { layers: own, slots: new SharedSlots(capacity.list), list },
  );
}
