import { QuireError } from "../../errors.js";
import { RandomStream } from "../../tensor/random.js";
import type { TokenBatch } from "../trainer.js";
import type { BatchShape, DataSource, EvaluationBatch } from "./data-source.js";

/** Running text as training data: one long line of tokens, cut into windows without gaps. Every epoch goes through all windows once,
 *  in another order and from another first token. */

export interface WindowOptions extends BatchShape {
  readonly name: string;
  /** Tokens kept from training for evaluation; default: a twentieth at the end. */
  readonly validation?: Int32Array;
  /** Batches of an evaluation at most; default 8. */
  readonly evaluationBatches?: number;
}

const keptShare = 0.05;

export function tokenWindows(tokens: Int32Array, options: WindowOptions): DataSource {
  const { name, sequences, length, seed, evaluationBatches = 8 } = options;
  const kept = options.validation === undefined ? Math.floor(tokens.length * keptShare) : 0;
  // Too little to keep some: everything is for training, and nothing is evaluated.
  const cut = tokens.length - (kept > length ? kept : 0);
  const training = tokens.subarray(0, cut);
  const validation = options.validation ?? tokens.subarray(cut);
  if (training.length < length + 1) {
    throw new QuireError("bad-input", `The text of ${name} is shorter than one sequence.`, {
      got: `${tokens.length} tokens`,
      expected: `more than ${length}`,
      fix: "Add text, or train with shorter sequences.",
    });
  }
  const orders = new Map<number, { offset: number; windows: Int32Array }>();
  const orderOf = (epoch: number): { offset: number; windows: Int32Array } => {
    const known = orders.get(epoch);
    if (known !== undefined) return known;
    orders.clear();
    const random = new RandomStream(seed, `windows ${epoch}`);
    const offset = random.below(Math.min(length, training.length - length));
    const count = Math.floor((training.length - offset - 1) / length);
    const windows = Int32Array.from(random.shuffled(Array.from({ length: count }, (_, index) => index)));
    const made = { offset, windows };
    orders.set(epoch, made);
    return made;
  };
  // Epochs differ by a window at most in length, so a step's place in them is counted in windows of the shortest.
  const perEpoch = Math.max(1, Math.floor((training.length - length) / length));
  return {
    name,
    batch(step) {
      const batch = emptyBatch(sequences, length);
      for (let row = 0; row < sequences; row++) {
        const place = step * sequences + row;
        const { offset, windows } = orderOf(Math.floor(place / perEpoch));
        const window = windows[place % perEpoch] ?? 0;
        copyWindow(training, offset + window * length, batch, row);
      }
      return batch;
    },
    evaluation: evaluationOf(validation, { sequences, length, most: evaluationBatches }),
  };
}

function evaluationOf(
  tokens: Int32Array,
  { sequences, length, most }: { sequences: number; length: number; most: number },
): EvaluationBatch[] {
  const windows = Math.floor((tokens.length - 1) / length);
  const count = Math.min(most, Math.ceil(windows / sequences));
  return Array.from({ length: Math.max(0, count) }, (_, index) => {
    const weights = new Float32Array(sequences * length);
    const batch = { ...emptyBatch(sequences, length), weights };
    for (let row = 0; row < sequences; row++) {
      const window = index * sequences + row;
      if (window >= windows) break;
      copyWindow(tokens, window * length, batch, row);
      weights.fill(1, row * length, (row + 1) * length);
    }
    return { batch };
  });
}

function emptyBatch(sequences: number, length: number): TokenBatch {
  const rows = sequences * length;
  return { tokens: new Int32Array(rows), targets: new Int32Array(rows), sequences, length };
}

function copyWindow(from: Int32Array, start: number, { tokens, targets, length }: TokenBatch, row: number): void {
  tokens.set(from.subarray(start, start + length), row * length);
  targets.set(from.subarray(start + 1, start + length + 1), row * length);
}
