import type { Reservation } from "../cache/store/key-values.js";
import { QuireError } from "../errors.js";
import type { ModelConfig, Stage } from "../models/architecture.js";
import type { Segment } from "./forward.js";

/** A pass of a model in which not every row goes through every layer: stage after stage, each over the rows that enter it by what they
 *  carry. Between stages rows lie in the computer's memory; what a stage leaves out costs nothing. */

/** One stage over some rows of the segments. */
export interface StagePart {
  readonly stage: Stage<ModelConfig>;
  /** The segments that take part, with the rows that do. */
  readonly segments: readonly Segment[];
  /** What these rows carry, [rows, width], by name. */
  readonly carried: CarriedRows;
}

export type CarriedRows = Record<string, { width: number; values: Float32Array }>;

export interface StagedResult {
  /** f32 [V] by row among all rows whose logits are wanted. */
  readonly logits: Float32Array;
  /** By segment, how many of the stages that deepen each row entered. */
  readonly depths: readonly Uint16Array[];
  /** Rows through stages that deepen, without padding. */
  readonly deepRows: number;
}

export async function runStages(
  stages: readonly Stage<ModelConfig>[],
  segments: readonly Segment[],
  run: (part: StagePart) => Promise<CarriedRows>,
): Promise<StagedResult> {
  for (const { sees, stepRow, reader } of segments) {
    if (sees === undefined && stepRow !== true && reader === undefined) continue;
    throw new QuireError(
      "unsupported",
      "This model chooses for each token how far it goes, one line of text at a time.",
      {
        got: sees === undefined ? "a cache policy that watches attention" : `rows that see each other as ${sees.kind}`,
        expected: "the decoder autoregressive and the cache policy full",
      },
    );
  }
  const starts = segments.map((_, index) =>
    segments.slice(0, index).reduce((sum, { tokens }) => sum + tokens.length, 0),
  );
  const total = segments.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const depths = segments.map(({ tokens }) => new Uint16Array(tokens.length));
  const carried: CarriedRows = {};
  let deepRows = 0;
  for (const stage of stages) {
    const entering = segments.map(({ tokens }, index) => {
      const start = starts[index] as number;
      const all = Int32Array.from(tokens, (_, row) => row);
      return all.filter((row) => stage.enters?.(carried, start + row) ?? true);
    });
    const present = [...segments.keys()].filter((index) => (entering[index] as Int32Array).length > 0);
    const chosen = present.map((index) => ({ index, rows: entering[index] as Int32Array }));
    if (chosen.length === 0) continue;
    const parts = chosen.map(({ index, rows }) => partOf(segments[index] as Segment, rows, stage));
    const numbers = parts.flatMap(({ padded }, at) => {
      const start = starts[(chosen[at] as { index: number }).index] as number;
      return Array.from(padded, (row) => start + row);
    });
    const results = await run({
      stage,
      segments: parts.map(({ segment }) => segment),
      carried: take(stage, carried, numbers),
    });
    for (const [name, { width, values }] of Object.entries(results)) {
      if (name === "logits") return { logits: values, depths, deepRows };
      carried[name] ??= { width, values: new Float32Array(total * width) };
      const target = carried[name].values;
      for (const [at, row] of numbers.entries()) target.set(values.subarray(at * width, (at + 1) * width), row * width);
    }
    if (!stage.deepens) continue;
    for (const { index, rows } of chosen) {
      deepRows += rows.length;
      const own = depths[index] as Uint16Array;
      for (const row of rows) own[row] = (own[row] as number) + 1;
    }
  }
  throw new QuireError("unsupported", "The model's last stage gave no logits.");
}

function take({ name, reads }: Stage<ModelConfig>, carried: CarriedRows, rows: readonly number[]): CarriedRows {
  return Object.fromEntries(
    reads.map((wanted) => {
      const found = carried[wanted];
      if (found === undefined) throw new QuireError("bad-input", `${name} reads "${wanted}", which no row carries.`);
      const { width, values } = found;
      const own = new Float32Array(rows.length * width);
      for (const [at, row] of rows.entries()) own.set(values.subarray(row * width, (row + 1) * width), at * width);
      return [wanted, { width, values: own }];
    }),
  );
}

/** The rows of a segment that enter a stage, which join its lists; padded by repeating the last of them. */
function partOf(segment: Segment, rows: Int32Array, { joins = [] }: Stage<ModelConfig>) {
  const { store, tokens, positions, slots } = segment;
  const padded = paddedRows(rows, tokens.length);
  const pick = (from: Int32Array): Int32Array => padded.map((row) => from[row] ?? 0);
  const joined = new Map(
    joins.map((list) => [
      list,
      store.join(
        list,
        rows.map((row) => positions[row] as number),
      ),
    ]),
  );
  const own: Reservation = {
    ...slots,
    positions: pick(slots.positions),
    shared: store.groups.map(({ list }, group) => {
      if (list === undefined) return pick(slots.shared[group] as Int32Array);
      const places = joined.get(list);
      return padded.map((_, at) => places?.[Math.min(at, rows.length - 1)] ?? 0);
    }),
  };
  const isWhole = rows.length === tokens.length;
  return {
    padded,
    segment: {
      ...segment,
      tokens: pick(tokens),
      positions: pick(positions),
      slots: own,
      wanted: isWhole ? segment.wanted : new Int32Array(0),
    },
  };
}

/** So that few graphs fit many numbers of rows: in steps of an eighth to a quarter, never more than there are. */
function paddedRows(rows: Int32Array, most: number): Int32Array {
  const count = rows.length;
  const step = 2 ** Math.max(0, Math.floor(Math.log2(count)) - 2);
  const size = Math.min(most, Math.ceil(count / step) * step);
  return Int32Array.from({ length: size }, (_, at) => rows[Math.min(at, count - 1)] as number);
}
