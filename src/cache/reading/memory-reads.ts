/** What a step has to read of the cache, in elements and bits: SpAtten's figure of merit. Rows of a KV head are read once, however
 *  many of its query heads ask for them, so unions count. */

export interface LayerReads {
  /** Keys read by each live KV head. */
  readonly tokens: number;
  /** KV heads with at least one query head that is not pruned. */
  readonly liveHeads: number;
  /** Of those, heads that needed the low bits too. */
  readonly refinedHeads: number;
  /** Rows of values, summed over the live heads. */
  readonly valueRows: number;
}

export interface ReadBits {
  readonly high: number;
  readonly low: number;
  readonly value: number;
}

export interface StepReads {
  readonly keyElements: number;
  readonly valueElements: number;
  readonly bits: number;
}

export function stepReads(layers: readonly LayerReads[], headDim: number, bits: ReadBits): StepReads {
  let keyElements = 0;
  let valueElements = 0;
  let lowElements = 0;
  for (const { tokens, liveHeads, refinedHeads, valueRows } of layers) {
    keyElements += liveHeads * tokens * headDim;
    lowElements += refinedHeads * tokens * headDim;
    valueElements += valueRows * headDim;
  }
  return {
    keyElements,
    valueElements,
    bits: keyElements * bits.high + lowElements * bits.low + valueElements * bits.value,
  };
}

/** Without any pruning: all keys and values of all heads. */
export function denseElements(shape: { layers: number; kvHeads: number; headDim: number }, tokens: number): number {
  return shape.layers * shape.kvHeads * tokens * 2 * shape.headDim;
}
