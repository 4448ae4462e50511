import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyValueStore } from "../../src/cache/store/key-values.js";
import { ForwardPass, type Segment } from "../../src/engine/forward.js";
import { type LoadedModel, loadModel } from "../../src/engine/model.js";
import { RandomStream } from "../../src/tensor/random.js";
import type { OpenedRun } from "../../src/train/open-run.js";
import { saveGguf } from "../../src/train/save-model.js";
import { hopsOf, pointerChase } from "../../src/train/tasks/pointer-chase.js";
import type { Example, Task } from "../../src/train/tasks/task.js";
import { processorSeconds } from "../lib/train-arm.js";

/** How many steps the engine takes for each question of pointer chase, and what skipping the others saves. */

export const chase = (): Task => pointerChase({ letters: 5, questions: 5 });

export interface Ponder {
  /** By hops of the question, from 1. */
  readonly right: number[];
  readonly steps: number[];
  /** Mean over all rows. */
  readonly meanSteps: number;
  /** Rows through the block, as a share of all rows at all steps. */
  readonly computed: number;
  /** Processor milliseconds for a text of 512 tokens: step by step, and all rows at all steps in one graph. */
  readonly stagedMs: number;
  readonly wholeMs: number;
}

/** Saves the model, opens it as anybody would, and asks it. */
export async function ponder(run: OpenedRun, questions: number): Promise<Ponder> {
  const folder = await mkdtemp(join(tmpdir(), "quire-ponder-"));
  try {
    const file = join(folder, "model.gguf");
    await saveGguf(run.model, file, { name: "pointer chase", vocabulary: run.vocabulary });
    const model = await loadModel(file, { device: "cpu", threads: 1 });
    try {
      return await measure(model, questions);
    } finally {
      await model.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(model: LoadedModel, questions: number): Promise<Ponder> {
  const task = chase();
  const random = new RandomStream(5, "questions");
  const examples = Array.from({ length: questions }, () => task.draw("test", random));
  const pass = new ForwardPass(model);
  const asked = [0, 0, 0];
  const right = [0, 0, 0];
  const steps = [0, 0, 0];
  let [allSteps, rows] = [0, 0];
  for (const example of examples) {
    const { predicted, depths } = await read(pass, example, task);
    for (const [place, hops] of hopsOf(example)) {
      const at = hops - 1;
      asked[at] = (asked[at] ?? 0) + 1;
      if (predicted[place - 1] === task.vocabulary.indexOf(example.symbols[place] ?? ""))
        right[at] = (right[at] ?? 0) + 1;
      steps[at] = (steps[at] ?? 0) + (depths[place - 1] ?? 0);
    }
    allSteps += depths.reduce((sum, depth) => sum + depth, 0);
    rows += depths.length;
  }
  pass.close();
  const long = examples
    .flatMap(({ symbols }) => symbols.map((symbol) => task.vocabulary.indexOf(symbol)))
    .slice(0, 512);
  const architecture = { ...model.architecture, stages: () => undefined };
  const times = { staged: [] as number[], whole: [] as number[] };
  for (let round = 0; round < 5; round++) {
    times.staged.push(await readingMs(model, long));
    times.whole.push(await readingMs({ ...model, architecture }, long));
  }
  const mean = (sums: number[]): number[] => sums.map((sum, at) => sum / (asked[at] || Number.NaN));
  return {
    right: mean(right),
    steps: mean(steps),
    meanSteps: allSteps / rows,
    computed: allSteps / rows / model.config.numLayers,
    stagedMs: Math.min(...times.staged),
    wholeMs: Math.min(...times.whole),
  };
}

async function read(pass: ForwardPass, { symbols }: Example, { vocabulary }: Task) {
  const tokens = Int32Array.from(symbols.slice(0, -1), (symbol) => vocabulary.indexOf(symbol));
  const { store, segment } = whole(
    pass.model,
    tokens,
    Int32Array.from(tokens, (_, row) => row),
  );
  const result = await pass.run([segment]);
  const predicted = Array.from(tokens, (_, row) => {
    const logits = result.logits(0, row);
    return logits.indexOf(Math.max(...logits));
  });
  const depths = Array.from(result.depths?.(0) ?? []);
  pass.forget(store);
  store.close();
  return { predicted, depths };
}

async function readingMs(model: LoadedModel, tokens: readonly number[]): Promise<number> {
  const pass = new ForwardPass(model);
  const { store, segment } = whole(model, Int32Array.from(tokens), Int32Array.of(tokens.length - 1));
  // The first run builds the graphs.
  await pass.run([segment]);
  const before = processorSeconds();
  const rounds = 4;
  for (let round = 0; round < rounds; round++) await pass.run([segment]);
  const ms = (1000 * (processorSeconds() - before)) / rounds;
  pass.close();
  store.close();
  return ms;
}

function whole(model: LoadedModel, tokens: Int32Array, wanted: Int32Array): { store: KeyValueStore; segment: Segment } {
  const layers = model.architecture.memory(model.config).map((need) => {
    if (need.kind !== "keys-values") throw new Error("a layer without keys and values");
    return need;
  });
  const store = new KeyValueStore(model.device, { layers, type: "f16" }, tokens.length);
  const positions = Int32Array.from(tokens, (_, row) => row);
  return { store, segment: { store, tokens, positions, slots: store.reserve(tokens.length, positions), wanted } };
}
