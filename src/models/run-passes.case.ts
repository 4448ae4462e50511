import { KeyValueStore } from "../cache/store/key-values.js";
import { ForwardPass, type Segment } from "../engine/forward.js";
import type { LoadedModel } from "../engine/model.js";

/** Texts through the engine's forward pass, slice by slice, all logits wanted. */
export interface PassesResult {
  /** By text. */
  readonly logits: Float32Array[][];
  readonly depths: number[][];
  readonly stats: ForwardPass["stats"];
  /** Entries held by text and layer. */
  readonly entries: number[][];
  readonly cacheBytes: number;
}

export async function runPasses(
  model: LoadedModel,
  texts: readonly (readonly number[])[],
  slice = Number.POSITIVE_INFINITY,
): Promise<PassesResult> {
  const pass = new ForwardPass(model);
  const layers = model.architecture.memory(model.config).map((need) => {
    if (need.kind !== "keys-values") throw new Error("a layer without keys and values");
    return need;
  });
  const stores = texts.map(() => new KeyValueStore(model.device, { layers, type: "f32" }, 64));
  const logits: Float32Array[][] = texts.map(() => []);
  const depths: number[][] = texts.map(() => []);
  const longest = Math.max(...texts.map(({ length }) => length));
  for (let from = 0; from < longest; from += slice) {
    const live = [...texts.keys()].filter((text) => (texts[text]?.length ?? 0) > from);
    const segments = live.map((text): Segment => {
      const tokens = Int32Array.from((texts[text] ?? []).slice(from, from + slice));
      const positions = Int32Array.from(tokens, (_, i) => from + i);
      const store = stores[text] as KeyValueStore;
      const slots = store.reserve(tokens.length, positions);
      return { store, tokens, positions, slots, wanted: Int32Array.from(tokens, (_, i) => i) };
    });
    const result = await pass.run(segments);
    for (const [index, text] of live.entries()) {
      const count = segments[index]?.tokens.length ?? 0;
      for (let row = 0; row < count; row++) logits[text]?.push(result.logits(index, row).slice());
      depths[text]?.push(...(result.depths?.(index) ?? []));
    }
  }
  const entries = stores.map((store) => layers.map((_, layer) => store.entriesOf(layer)));
  const cacheBytes = stores.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  pass.close();
  for (const store of stores) store.close();
  return { logits, depths, stats: pass.stats, entries, cacheBytes };
}

/** The same model without its stages: every row goes through everything, in one graph. */
export function inOneGraph(model: LoadedModel): LoadedModel {
  return { ...model, architecture: { ...model.architecture, stages: () => undefined } };
}
