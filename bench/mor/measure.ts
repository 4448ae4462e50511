import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyValueStore } from "../../src/cache/store/key-values.js";
import { ForwardPass } from "../../src/engine/forward.js";
import { type LoadedModel, loadModel } from "../../src/engine/model.js";
import type { OpenedRun } from "../../src/train/open-run.js";
import { saveGguf } from "../../src/train/save-model.js";
import { processorSeconds } from "../lib/train-arm.js";

/** What a trained model does when it is saved, opened again and served: its loss where no later byte decides, the entries it holds, the
 *  rows it computes, and the time of a byte. */
export interface Served {
  readonly bitsPerByte: number;
  /** Share of the rows that entered each depth, from 1. */
  readonly shares: number[];
  /** Keys and values of `heldAt` bytes of text, bytes a byte of text. */
  readonly heldBytes: number;
  /** Memory reserved for them. */
  readonly reservedBytes: number;
  /** Processor milliseconds a byte, by bytes held before. */
  readonly decodeMs: number[];
  readonly prefillMs: number;
}

export interface ServedOptions {
  readonly windows: number;
  readonly length: number;
  readonly heldAt: number;
  readonly decodeAt: readonly number[];
  readonly decodeSteps: number;
}

export async function served(run: OpenedRun, text: Uint8Array, options: ServedOptions): Promise<Served> {
  const folder = await mkdtemp(join(tmpdir(), "quire-mor-"));
  try {
    const file = join(folder, "model.gguf");
    await saveGguf(run.model, file, { name: "bytes", vocabulary: run.vocabulary });
    const model = await loadModel(file, { device: "cpu", threads: 1 });
    try {
      return await measure(model, text, options);
    } finally {
      await model.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(model: LoadedModel, text: Uint8Array, options: ServedOptions): Promise<Served> {
  const { windows, length, heldAt, decodeAt, decodeSteps } = options;
  const entered: number[] = [];
  let [bits, rows] = [0, 0];
  for (let window = 0; window < windows; window++) {
    const bytes = text.subarray(window * length, (window + 1) * length + 1);
    if (bytes.length <= length) break;
    const reader = new Reader(model, length);
    const { logits, depths } = await reader.read(bytes.subarray(0, length), "all");
    for (let row = 0; row < length; row++) bits += surprise(logits(row), bytes[row + 1] as number);
    for (const depth of depths) for (let r = 1; r <= depth; r++) entered[r - 1] = (entered[r - 1] ?? 0) + 1;
    rows += length;
    reader.close();
  }
  const reader = new Reader(model, heldAt);
  await reader.read(text.subarray(0, heldAt), "last");
  const { heldBytes, reservedBytes } = reader;
  const before = processorSeconds();
  const again = new Reader(model, heldAt);
  await again.read(text.subarray(0, heldAt), "last");
  const prefillMs = (1000 * (processorSeconds() - before)) / heldAt;
  reader.close();
  again.close();
  const decodeMs: number[] = [];
  for (const at of decodeAt) decodeMs.push(await decodeTime(model, text, at, decodeSteps));
  return {
    bitsPerByte: bits / rows,
    shares: entered.map((count) => count / rows),
    ...{ heldBytes: heldBytes / heldAt, reservedBytes: reservedBytes / heldAt, decodeMs, prefillMs },
  };
}

async function decodeTime(model: LoadedModel, text: Uint8Array, at: number, steps: number): Promise<number> {
  const reader = new Reader(model, at + steps + 8);
  for (let from = 0; from < at; from += 512) await reader.read(text.subarray(from, Math.min(at, from + 512)), "last");
  // The first ones build graphs.
  for (let step = 0; step < 8; step++) await reader.read(text.subarray(at + step, at + step + 1), "last");
  const before = processorSeconds();
  for (let step = 8; step < steps + 8; step++) await reader.read(text.subarray(at + step, at + step + 1), "last");
  const ms = (1000 * (processorSeconds() - before)) / steps;
  reader.close();
  return ms;
}

/** One sequence through the engine's pass. */
class Reader {
  readonly #model: LoadedModel;
  readonly #pass: ForwardPass;
  readonly #store: KeyValueStore;

  constructor(model: LoadedModel, room: number) {
    this.#model = model;
    this.#pass = new ForwardPass(model);
    const layers = model.architecture.memory(model.config).map((need) => {
      if (need.kind !== "keys-values") throw new Error("a layer without keys and values");
      return need;
    });
    this.#store = new KeyValueStore(model.device, { layers, type: "f16" }, room);
  }

  async read(bytes: Uint8Array, want: "all" | "last") {
    const store = this.#store;
    const tokens = Int32Array.from(bytes);
    const start = store.tokens;
    const positions = Int32Array.from(tokens, (_, row) => start + row);
    const wanted = want === "all" ? Int32Array.from(tokens, (_, row) => row) : Int32Array.of(tokens.length - 1);
    const slots = store.reserve(tokens.length, positions);
    const result = await this.#pass.run([{ store, tokens, positions, slots, wanted }]);
    const depths = result.depths?.(0) ?? new Uint16Array(0);
    return { logits: (row: number) => result.logits(0, row), depths };
  }

  get heldBytes(): number {
    const { kvHeads, headDim } = this.#store.layer(0).shape;
    const layers = this.#model.architecture.memory(this.#model.config).length;
    let entries = 0;
    for (let layer = 0; layer < layers; layer++) entries += this.#store.entriesOf(layer);
    return entries * kvHeads * headDim * 2 * 2;
  }

  get reservedBytes(): number {
    return this.#store.sizeBytes;
  }

  close(): void {
    this.#pass.close();
    this.#store.close();
  }
}

function surprise(logits: Float32Array, byte: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of logits) most = Math.max(most, value);
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - most);
  return (most + Math.log(sum) - (logits[byte] as number)) / Math.LN2;
}
