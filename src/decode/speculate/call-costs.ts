/** What calls of some rows cost, learnt from the calls themselves. Between sizes that were seen it is a line; beyond them it rises as
 *  the prompt did, whose rows were read together. */
export class CallCosts {
  readonly #points = new Map<number, number>();
  #msPerRow: number | undefined;

  /** Books a call. One that also carried other sequences' rows counts only so far. */
  observe(rows: number, ms: number): void {
    if (!(ms >= 0)) return;
    if (rows >= promptRows && !this.#points.has(1)) {
      this.#msPerRow = ms / rows;
      return;
    }
    const expected = this.#points.size === 0 ? ms : this.predict(rows);
    const seen = Math.min(ms, 3 * expected);
    const known = this.#points.get(rows);
    // The first call of a size also builds its graph.
    this.#points.set(rows, known === undefined ? (seen + expected) / 2 : known + 0.3 * (seen - known));
    if (known === undefined || expected <= 0) return;
    // A longer text, or a busier machine, moves the sizes that are not called just now too.
    const drift = (seen / expected) ** 0.1;
    for (const [other, value] of this.#points) if (other !== rows) this.#points.set(other, value * drift);
  }

  /** Milliseconds. */
  predict(rows: number): number {
    const exact = this.#points.get(rows);
    if (exact !== undefined) return exact;
    let below: [number, number] | undefined;
    let above: [number, number] | undefined;
    for (const point of this.#points) {
      if (point[0] < rows && (below === undefined || point[0] > below[0])) below = point;
      if (point[0] > rows && (above === undefined || point[0] < above[0])) above = point;
    }
    if (below !== undefined && above !== undefined) {
      const share = (rows - below[0]) / (above[0] - below[0]);
      return below[1] + share * (above[1] - below[1]);
    }
    const one = this.#points.get(1) ?? below?.[1] ?? above?.[1] ?? 0;
    const slope = Math.min(this.#msPerRow ?? 0.4 * one, one);
    if (below !== undefined) return below[1] + slope * (rows - below[0]);
    return above === undefined ? slope * rows : Math.max(0.1 * above[1], above[1] - slope * (above[0] - rows));
  }
}

const promptRows = 8;
