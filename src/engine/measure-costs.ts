import { type CacheType, KeyValueStore } from "../cache/store/key-values.js";
import { QuireError, throwIfAborted } from "../errors.js";
import { ForwardPass } from "./forward.js";
import type { LoadedModel } from "./model.js";
import { attendedKeys, type CostPoint, PassCosts, tiledRows } from "./schedule/pass-costs.js";

/** Measures what a pass costs: 1, 2, 4, ... rows on an empty memory, and again the largest on a long one, for what keys cost. Each size
 *  runs a few times in shapes that are new, as slices of a prompt are, so that building graphs is counted. */

export interface MeasureOptions {
  readonly cacheType?: CacheType;
  readonly contextTokens?: number;
  /** Sizes end above this many milliseconds a pass; default 500. */
  readonly longEnoughMs?: number;
  readonly now?: () => number;
  readonly signal?: AbortSignal;
}

const most = 1024;
const rounds = 3;

export async function measureCosts(model: LoadedModel, options: MeasureOptions = {}): Promise<PassCosts> {
  const { cacheType = "f16", longEnoughMs = 500, now = () => performance.now(), signal } = options;
  const limit = Math.min(options.contextTokens ?? most * 2, model.config.maxPositions, most * 2);
  const layers = model.architecture.memory(model.config).map((need) => {
    if (need.kind !== "keys-values")
      throw new QuireError("unsupported", "Passes without keys and values have no measure.");
    return need;
  });
  const store = new KeyValueStore(model.device, { layers, type: cacheType }, limit);
  const pass = new ForwardPass(model);
  /** Milliseconds of a pass of `rows` rows behind `held` entries. */
  const time = async (rows: number, held: number): Promise<number> => {
    throwIfAborted(signal);
    store.rewind(held);
    if (store.tokens < held) store.reserve(held - store.tokens);
    const tokens = new Int32Array(rows).fill(1);
    const positions = tokens.map((_, row) => held + row);
    const start = now();
    await pass.run([{ store, tokens, positions, slots: store.reserve(rows), wanted: Int32Array.of(rows - 1) }], signal);
    return now() - start;
  };
  try {
    await time(1, 0);
    const points: CostPoint[] = [];
    for (let rows = 1; rows <= most && rows <= limit / 2; rows *= 2) {
      const times: number[] = [];
      for (let round = 0; round < rounds; round++) times.push(await time(rows, 0));
      const ms = middle(times);
      points.push({ rows, ms });
      if (ms > longEnoughMs) break;
    }
    const largest = points.at(-1)?.rows ?? 1;
    const ms = await keyCost(time, Math.min(largest, tiledRows / 2), limit);
    const tiledMs = largest < tiledRows ? ms : await keyCost(time, tiledRows, limit);
    return new PassCosts(points, { ms, tiledMs });
  } finally {
    pass.close();
    store.close();
  }
}

/** Milliseconds a key: the same rows behind many entries and behind none. */
async function keyCost(
  time: (rows: number, held: number) => Promise<number>,
  rows: number,
  limit: number,
): Promise<number> {
  const held = Math.floor((limit - rows) / 64) * 64;
  const far: number[] = [];
  const near: number[] = [];
  for (let round = 0; round < rounds; round++) {
    near.push(await time(rows, 0));
    far.push(await time(rows, held));
  }
  const keys = attendedKeys(rows, held) - attendedKeys(rows, 0);
  return Math.max(0, (middle(far) - middle(near)) / keys);
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
