import type { CacheShape, CacheView, Edit, EntryView } from "../policy.js";

/** What to keep, asked for every KV head of every layer the policy may touch. `undefined` leaves a head alone. */
export function keepPerHead(
  shape: CacheShape,
  view: CacheView,
  choose: (entries: EntryView, layer: number, kvHead: number) => Int32Array | undefined,
): Edit[] {
  const edits: Edit[] = [];
  for (const layer of shape.managedLayers) {
    for (let kvHead = 0; kvHead < shape.kvHeads; kvHead++) {
      const slots = choose(view.entries(layer, kvHead), layer, kvHead);
      if (slots !== undefined) edits.push({ kind: "keep", layer, kvHead, slots });
    }
  }
  return edits;
}
