/** What a pass costs on this machine, from measured passes: time by rows (a line between the points), and time by keys that the rows
 *  attend to, which are cheaper where a sequence has enough rows for attention in tiles. Passes that run afterwards correct it, so that a machine that got slower or busier is noticed. */

export interface CostPoint {
  readonly rows: number;
  readonly ms: number;
}

export interface PassLoad {
  readonly rows: number;
  /** Keys attended to, summed over the rows of sequences that have few in this pass. */
  readonly keys: number;
  /** The same of those that have at least `tiledRows`. */
  readonly tiledKeys: number;
}

/** From so many rows of a sequence on, ggml's attention on processors computes in tiles. */
export const tiledRows = 64;

export const noLoad: PassLoad = { rows: 0, keys: 0, tiledKeys: 0 };

/** A pass that also carries `rows` rows of a sequence with `held` entries. */
export function withRows(load: PassLoad, rows: number, held: number): PassLoad {
  const tiled = rows >= tiledRows;
  // A tile that is not full costs as much as a full one.
  const keys = attendedKeys(tiled ? Math.ceil(rows / tiledRows) * tiledRows : rows, held);
  return {
    rows: load.rows + rows,
    keys: load.keys + (tiled ? 0 : keys),
    tiledKeys: load.tiledKeys + (tiled ? keys : 0),
  };
}

export interface KeyCosts {
  readonly ms: number;
  readonly tiledMs: number;
}

/** How much a pass moves the correction, up and down: late passes are noticed at once, luck is trusted slowly. In balance one pass in
 *  forty lies above the prediction. */
const up = 0.1;
const down = 0.0025;

export class PassCosts {
  readonly points: readonly CostPoint[];
  readonly perKey: KeyCosts;
  #correction = 1;

  constructor(points: readonly CostPoint[], perKey: KeyCosts = { ms: 0, tiledMs: 0 }) {
    this.points = [...points].sort((a, b) => a.rows - b.rows);
    this.perKey = perKey;
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
    let best = 0;
    for (let rows = tile; rows <= most; rows += tile) {
      if (this.predict(withRows(anyway, rows, held)) <= targetMs) best = rows;
      // A few rows more may cost less where they reach the tiles; beyond that costs only grow.
      else if (rows >= tiledRows) break;
    }
    return best;
  }

  #measured({ rows, keys, tiledKeys }: PassLoad): number {
    const { points, perKey } = this;
    const attention = keys * perKey.ms + tiledKeys * perKey.tiledMs;
    const above = points.findIndex((point) => point.rows >= rows);
    const right = points[above < 0 ? points.length - 1 : above];
    const left = points[(above < 0 ? points.length - 1 : above) - 1];
    if (right === undefined) return attention;
    if (left === undefined) return right.ms + attention;
    const slope = (right.ms - left.ms) / (right.rows - left.rows);
    return left.ms + slope * (rows - left.rows) + attention;
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
