/** What calls cost by their rows, learnt from the calls themselves: milliseconds of a plain call, and for larger ones how many times
 *  that. Sizes that were not seen lie on a line between those that were; before any was, the rows of the prompt tell how much one more
 *  row costs. What is not called for a while is slowly forgotten, so that a bad moment of the machine is not held against it for good. */
export class CallCosts {
  #one: number | undefined;
  /** By rows: times the cost of one. */
  readonly #factors = new Map<number, number>();
  #promptMsPerRow: number | undefined;

  /** Milliseconds. */
  predict(rows: number): number {
    return (this.#one ?? 0) * this.#factor(rows);
  }

  prompt(rows: number, ms: number): void {
    if (rows >= 8) this.#promptMsPerRow = ms / rows;
  }

  observe(rows: number, ms: number): void {
    if (this.#one === undefined) {
      this.#one = ms / this.#usual(rows);
      return;
    }
    const expected = this.predict(rows);
    // A call that waited for others, or for the machine, says little about the next one.
    const ratio = Math.min(2, Math.max(0.5, expected > 0 ? ms / expected : 1));
    if (rows === 1) {
      this.#one *= 1 + 0.2 * (ratio - 1);
      for (const [other, factor] of this.#factors)
        this.#factors.set(other, factor + forgotten * (this.#usual(other) - factor));
      return;
    }
    // The first call of a size also builds its graph. Longer texts and busier machines move all sizes alike.
    this.#factors.set(rows, this.#factor(rows) * (1 + 0.3 * (ratio - 1)));
    this.#one *= 1 + 0.05 * (ratio - 1);
  }

  #factor(rows: number): number {
    const known = this.#factors.get(rows);
    if (known !== undefined || rows === 1) return known ?? 1;
    let [below, low] = [1, 1];
    let above: number | undefined;
    for (const [other, factor] of this.#factors) {
      if (other < rows && other > below) [below, low] = [other, factor];
      if (other > rows && (above === undefined || other < above)) above = other;
    }
    if (above === undefined) return low + this.#usual(rows) - this.#usual(below);
    return low + ((rows - below) / (above - below)) * ((this.#factors.get(above) ?? 1) - low);
  }

  #usual(rows: number): number {
    const slope =
      this.#promptMsPerRow === undefined || this.#one === undefined
        ? usualSlope
        : Math.min(1, Math.max(0.05, this.#promptMsPerRow / this.#one));
    return 1 + slope * (rows - 1);
  }
}

/** What one more row costs, as a share of a plain call, where nothing is known. */
const usualSlope = 0.35;
/** How much is forgotten a plain call. */
const forgotten = 0.01;
