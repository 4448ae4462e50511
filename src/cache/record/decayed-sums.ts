interface Head {
  readonly positions: Int32Array;
  readonly plain: Float32Array;
  readonly faded: Float32Array;
}

/** Running sums that fade. The memory keeps plain sums of the attention each entry received; here each step's share is read off as
 *  the difference to the step before, and added to what is left of the older ones. */
export class DecayedSums {
  readonly #decay: number;
  readonly #heads: Map<number, Head>;

  constructor(decay: number, heads: ReadonlyMap<number, Head> = new Map()) {
    this.#decay = decay;
    this.#heads = new Map(heads);
  }

  /** The faded sums after one more step; positions ascend. */
  update(head: number, positions: Int32Array, plain: Float32Array): Float32Array {
    const before = this.#heads.get(head);
    const faded = plain.slice();
    if (before !== undefined) {
      for (let i = 0, j = 0; i < positions.length; i++) {
        const position = positions[i] as number;
        while (j < before.positions.length && (before.positions[j] as number) < position) j++;
        if (before.positions[j] !== position) continue;
        const share = (plain[i] as number) - (before.plain[j] as number);
        faded[i] = this.#decay * (before.faded[j] as number) + share;
      }
    }
    this.#heads.set(head, { positions: positions.slice(), plain: plain.slice(), faded });
    return faded.slice();
  }

  clone(): DecayedSums {
    return new DecayedSums(this.#decay, this.#heads);
  }
}
