/** What a pass costs on this machine, from measured passes: time by rows (a line between the points), and time by keys that the rows
 *  attend to. Passes that run afterwards correct it, so that a machine that got slower or busier is noticed. */

export interface CostPoint {
  readonly rows: number;
  readonly ms: number;
}

export interface PassLoad {
  readonly rows: number;
  /** Keys attended to, summed over the rows. */
  readonly keys: number;
}

/** How much a pass moves the correction, up and down: late passes are noticed at once, luck is trusted slowly. In balance a
 *  tenth of the passes lies above the prediction. */
const up = 0.09;
const down = 0.01;

export class PassCosts {
  readonly points: readonly CostPoint[];
  readonly msPerKey: number;
  #correction = 1;

  constructor(points: readonly CostPoint[], msPerKey = 0) {
    this.points = [...points].sort((a, b) => a.rows - b.rows);
    this.msPerKey = msPerKey;
  }

  get correction(): number {
    return this.#correction;
  }

  /** Milliseconds that a pass will hardly exceed. */
  predict(load: PassLoad): number {
    return this.#correction * this.#measured(load);
  }

  /** Books a pass that ran. */
  observe(load: PassLoad, ms: number): void {
    const factor = ms > this.predict(load) ? 1 + up : 1 - down;
    this.#correction = Math.min(8, Math.max(0.5, this.#correction * factor));
  }

  /** Most rows, a multiple of `tile`, that one sequence with `held` entries may add to what runs anyway. */
  rowsWithin(targetMs: number, { anyway, held, tile, most }: RoomQuestion): number {
    const fits = (rows: number) =>
      this.predict({ rows: anyway.rows + rows, keys: anyway.keys + attendedKeys(rows, held) }) <= targetMs;
    let low = 0;
    let high = Math.floor(most / tile);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (fits(middle * tile)) low = middle;
      else high = middle - 1;
    }
    return low * tile;
  }

  #measured({ rows, keys }: PassLoad): number {
    const { points } = this;
    const above = points.findIndex((point) => point.rows >= rows);
    const right = points[above < 0 ? points.length - 1 : above];
    const left = points[(above < 0 ? points.length - 1 : above) - 1];
    if (right === undefined) return keys * this.msPerKey;
    if (left === undefined) return right.ms + keys * this.msPerKey;
    const slope = (right.ms - left.ms) / (right.rows - left.rows);
    return left.ms + slope * (rows - left.rows) + keys * this.msPerKey;
  }
}

interface RoomQuestion {
  readonly anyway: PassLoad;
  readonly held: number;
  readonly tile: number;
  readonly most: number;
}

/** Keys that `rows` new rows of a sequence look at, over what it holds and each other. */
export function attendedKeys(rows: number, held: number): number {
  return rows * held + (rows * (rows + 1)) / 2;
}
