import type { HeadSlots } from "../cache/store/head-slots.js";
import { type KeyValueStore, roundUp, slotStep } from "../cache/store/key-values.js";
import type { SharedSlots } from "../cache/store/shared-slots.js";

/** Layers of a memory that read the same slots and therefore share a mask: those of a map, or those with slots a head that hold
 *  equally many entries. */
export interface LayerClass {
  /** Slots that attention reads. */
  readonly read: number;
  readonly layers: readonly number[];
  /** Index among the store's groups and their map; undefined where each head has its own. */
  readonly group?: { readonly index: number; readonly slots: SharedSlots };
  /** Entries held, new rows included. */
  readonly entries: number;
}

/** `step`: reads are multiples of it, as far as the memory reaches. */
export function layerClasses(store: KeyValueStore, step = slotStep): LayerClass[] {
  const reading = ({ extent, capacity }: { extent: number; capacity: number }) =>
    Math.min(Math.ceil(roundUp(extent) / step) * step, capacity);
  const classes: LayerClass[] = store.groups.map(({ layers, slots }, index) => ({
    read: reading(slots),
    layers,
    group: { index, slots },
    entries: slots.entries,
  }));
  const bySize = new Map<number, { layers: number[]; slots: HeadSlots }>();
  for (const [layer, slots] of store.heads) {
    const found = bySize.get(slots.entries);
    if (found === undefined) bySize.set(slots.entries, { layers: [layer], slots });
    else found.layers.push(layer);
  }
  for (const { layers, slots } of bySize.values())
    classes.push({ read: reading(slots), layers, entries: slots.entries });
  return classes;
}

/** Part of a graph's key: what the classes read, and which layers are in which. */
export function classKey(store: KeyValueStore, classes: readonly LayerClass[]): string {
  // Sums are cut short where rows come after everything else.
  const order = store.watchesSums && !store.groups.every(({ slots }) => slots.isDense) ? "/" : "";
  if (classes.length === 1) return `${classes[0]?.read}${order}`;
  return `${classes.map(({ read, layers }) => `${read}:${layers.join(",")}`).join(";")}${order}`;
}
