import { type KeyValueStore, roundUp } from "../cache/store/key-values.js";
import { Graph } from "../tensor/graph.js";
import type { Tensor } from "../tensor/tensor.js";
import { attentionWeights } from "./attention-weights.js";

/** What the newest queries of a prompt attend to, one layer at a time, so that the weights of all layers are never held together.
 *  Only while no graph is computed (`device.exclusive`). */
export class PromptWeights {
  readonly rows: number;
  readonly #store: KeyValueStore;
  #newest: { layer: number; weights: Float32Array } | undefined;

  /** `seen`: tokens of this prompt that were evaluated. */
  constructor(store: KeyValueStore, seen: number) {
    this.#store = store;
    this.rows = Math.min(store.ring?.rows ?? 0, seen);
  }

  /** f32 [H, queries of the ring, read] in the ring's order, or undefined where nobody watched. */
  layer(layer: number): Float32Array | undefined {
    if (this.#newest?.layer === layer) return this.#newest.weights;
    const found = this.#store.ring?.layer(layer);
    if (found === undefined) return undefined;
    const memory = this.#store.layer(layer);
    const slots = this.#store.heads.get(layer);
    const extent = slots?.extent ?? this.#store.groupOf(layer).slots.extent;
    const read = roundUp(extent);
    const graph = new Graph(this.#store.device, { maxNodes: 64 });
    try {
      const [heads = 1, queries = 1] = found.queries.shape;
      const mask = graph.input("mask", "f32", slots === undefined ? [queries, read] : [heads, queries, read]);
      const keys: Tensor = graph.use(memory.keys).slice(1, 0, read);
      const bias = memory.bias === undefined ? undefined : graph.use(memory.bias).slice(1, 0, read).cont();
      const output = graph.output(attentionWeights(graph.use(found.queries), keys, mask, found.scoring, bias));
      graph.compile();
      this.#fill(graph.host(mask), layer, heads, read);
      graph.runNow();
      this.#newest = { layer, weights: graph.host<Float32Array>(output).slice() };
    } finally {
      graph.close();
    }
    return this.#newest.weights;
  }

  /** Where the `row`-th of the newest queries, oldest first, lies in the ring. */
  place(row: number): number {
    const { ring, tokens } = this.#store;
    return (tokens - this.rows + row) % (ring?.rows ?? 1);
  }

  #fill(mask: Float32Array, layer: number, heads: number, read: number): void {
    const { tokens, ring } = this.#store;
    const slots = this.#store.heads.get(layer);
    const queries = ring?.rows ?? 0;
    // Places that no query has taken yet are computed too, and nobody looks at them.
    mask.fill(0);
    const kvHeads = slots?.heads.length ?? 1;
    const copies = slots === undefined ? 1 : heads;
    for (let head = 0; head < copies; head++) {
      const { positions } = slots?.heads[Math.floor((head * kvHeads) / heads)] ?? this.#store.groupOf(layer).slots;
      for (let row = 0; row < this.rows; row++) {
        const position = tokens - this.rows + row;
        const start = (head * queries + this.place(row)) * read;
        for (let slot = 0; slot < read; slot++) {
          const held = positions[slot] ?? -1;
          if (held < 0 || held > position) mask[start + slot] = Number.NEGATIVE_INFINITY;
        }
      }
    }
  }
}
