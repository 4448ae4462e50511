import { QuireError } from "../../errors.js";
import type { Edit } from "../policy.js";
import type { HeadMap, HeadSlots } from "./head-slots.js";
import { type KeyValueStore, roundUp, slotStep } from "./key-values.js";

/** Makes the edits of a cache policy. What is dropped in bulk gives its memory back. */

export interface EditOptions {
  /** For messages. */
  readonly policy: string;
  /** Entries that will be added soon, for which memory is kept. */
  readonly room: number;
  /** Memory is given back when the capacity exceeds the need by more than this share of it. */
  readonly slack: number;
}

export function editStore(store: KeyValueStore, edits: readonly Edit[], options: EditOptions): void {
  if (edits.length === 0) return;
  for (const edit of edits) check(store, edit, options.policy);
  const alike = edits.every(
    ({ kind, layer, kvHead }) => kind === "keep" && layer === undefined && kvHead === undefined,
  );
  if (alike && store.heads.size === 0) {
    keepAlike(store, edits, options);
    forgetOutOfWindow(store);
    return;
  }
  store.splitHeads();
  const touched = new Set<number>();
  for (const edit of edits) {
    for (const layer of edit.layer === undefined ? store.managed : [edit.layer]) {
      touched.add(layer);
      const { heads } = store.heads.get(layer) as HeadSlots;
      const chosen = edit.kvHead === undefined ? heads.keys() : [edit.kvHead];
      for (const head of chosen) {
        const map = heads[head] as HeadMap;
        if (edit.kind === "keep") store.layer(layer).blank(head, map.keep(edit.slots));
        else for (const group of edit.groups) merge(store, layer, head, map, group);
      }
    }
  }
  for (const layer of touched) (store.heads.get(layer) as HeadSlots).checkCounts(layer);
  for (const layer of touched) settle(store, layer, options);
  forgetOutOfWindow(store);
}

function check(store: KeyValueStore, { layer, kvHead }: Edit, policy: string): void {
  const kvHeads = store.shape.layers[layer ?? store.managed[0] ?? 0]?.kvHeads ?? 0;
  if (layer !== undefined && !store.managed.includes(layer)) {
    throw new QuireError("bad-input", `The cache policy ${policy} edited layer ${layer}, which is not its to edit.`, {
      got: layer,
      expected: "a layer of managedLayers",
    });
  }
  if (kvHead !== undefined && !(Number.isInteger(kvHead) && kvHead >= 0 && kvHead < kvHeads)) {
    throw new QuireError("bad-input", `The cache policy ${policy} edited head ${kvHead}, which does not exist.`, {
      got: kvHead,
      expected: `0 to ${kvHeads - 1}`,
    });
  }
}

function keepAlike(store: KeyValueStore, edits: readonly Edit[], { room, slack }: EditOptions): void {
  if (store.managed.length === 0) return;
  store.splitGroups();
  const group = store.groupOf(store.managed[0] as number);
  for (const edit of edits) if (edit.kind === "keep") store.keepShared(group, edit.slots);
  const needed = roundUp(group.slots.entries + room);
  const tooLarge = group.slots.capacity > needed * (1 + slack);
  // Scattered entries are read with their gaps: that is worth moving them once it is as much again.
  if (tooLarge || roundUp(group.slots.extent) >= 2 * needed)
    store.relocate(group, tooLarge ? needed : group.slots.capacity);
}

function settle(store: KeyValueStore, layer: number, { room, slack }: EditOptions): void {
  const slots = store.heads.get(layer) as HeadSlots;
  const needed = roundUp(slots.entries + room);
  const newlyWeighted = slots.isWeighted && !store.layer(layer).parts.bias;
  if (slots.capacity > needed * (1 + slack)) store.relocateHeads(layer, needed);
  else if (slots.holes > 1 || newlyWeighted) store.relocateHeads(layer, slots.capacity);
}

/** Layers with a built-in window that share no map with managed ones drop what they will never look at again. */
function forgetOutOfWindow(store: KeyValueStore): void {
  for (const group of store.groups) {
    const windows = group.layers.map((layer) => store.shape.layers[layer]?.window ?? Number.POSITIVE_INFINITY);
    const widest = Math.max(...windows);
    if (group.slots.entries < 2 * widest + slotStep) continue;
    const oldest = store.tokens - widest;
    store.keepShared(
      group,
      group.slots.occupied().filter((slot) => (group.slots.positions[slot] ?? 0) >= oldest),
    );
    store.relocate(group, roundUp(group.slots.entries + widest));
    store.rewindsTo = store.tokens;
  }
}

/** Each group becomes one entry at its first slot: mean of keys and values weighted by mass, position of the first. */
function merge(store: KeyValueStore, layer: number, head: number, map: HeadMap, group: Int32Array): void {
  for (const slot of group) map.mustHold(slot);
  if (new Set(group).size !== group.length)
    throw new QuireError("bad-input", "A cache policy merged an entry with itself.", { got: [...group] });
  const [target] = group;
  if (target === undefined || group.length === 1) return;
  const memory = store.layer(layer);
  const masses = Array.from(group, (slot) => map.massOf(slot));
  const total = masses.reduce((sum, mass) => sum + mass, 0);
  const { headDim } = memory.shape;
  for (const part of ["keys", "values", "raw"] as const) {
    if (part === "raw" && memory.raw === undefined) continue;
    const entries = memory.read(part, head, group);
    const mean = new Float32Array(headDim);
    for (let at = 0; at < headDim; at++) {
      let sum = 0;
      for (const [i, mass] of masses.entries()) sum += mass * (entries[i * headDim + at] as number);
      mean[at] = sum / total;
    }
    memory.write(part, head, target, mean);
  }
  if (memory.sums !== undefined) {
    const received = memory.read("sums", head, group);
    memory.write("sums", head, target, Float32Array.of(received.reduce((sum, value) => sum + value, 0)));
  }
  const gone = new Set(group.subarray(1));
  memory.blank(
    head,
    map.filter((slot) => !gone.has(slot)),
  );
  map.weigh(target, total);
  memory.write("bias", head, target, Float32Array.of(Math.log(total)));
}
