import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Architecture } from "../../src/models/architecture.js";
import { llama } from "../../src/models/llama.js";
import { Device } from "../../src/tensor/device.js";
import { saveSafetensors } from "../../src/train/save-model.js";
import { newTrainable } from "../../src/train/trainable.js";
import { alternate } from "../lib/alternate.js";
import { type RunningContender, startContender } from "../lib/contender.js";
import type { Bench, BenchOptions, Check, Findings, Row } from "../lib/report.js";
import { pairedRatio, spread } from "../lib/statistics.js";
import { torchPython } from "./install-torch.js";
import { productRate } from "./product-rate.js";
import { type ModelShape, shapes, type TrainLoad, type TrainResult, type TrainTask, vocabulary } from "./task.js";

/** How fast small transformers are trained, beside PyTorch on the same processor: same first weights, batch, optimiser, precision and
 *  threads, each in a process of its own, in turns. */

const ours = "quire";
const rival = "pytorch";
type Running = RunningContender<TrainTask, TrainResult>;

export const trainBench: Bench = { title: "Training throughput", run };

async function run(options: BenchOptions): Promise<Findings> {
  const { quick, progress, threads = 1, seed } = options;
  await torchPython(progress);
  const rows: Row[] = [];
  const ratios: Record<string, number> = {};
  const checks: Check[] = [];
  const notes: string[] = [];
  let versions: Record<string, string> = {};
  for (const shape of quick ? shapes.slice(0, 1) : shapes) {
    const weights = await mkdtemp(path.join(tmpdir(), "quire-bench-train-"));
    try {
      const parameters = await firstWeights(shape, weights, seed);
      const flops = stepFlops(shape, parameters);
      let plainRival: TrainResult[] = [];
      for (const precision of ["f32", "bf16"] as const) {
        const setting = `${shape.name} weights, ${precision}`;
        const load: TrainLoad = { shape, precision, threads, weights, seed };
        const running: Running[] = [];
        try {
          for (const name of [ours, rival]) {
            const module = new URL(name === ours ? "./quire.ts" : "./pytorch.ts", import.meta.url);
            running.push(await startContender<TrainLoad, TrainTask, TrainResult>({ name, module, load }));
          }
          versions = Object.assign(versions, ...running.map((contender) => contender.versions));
          checks.push(await sameCurve(running, setting, precision, shape.name === "1M" ? 8 : 4));
          const results = await alternate({
            contenders: running,
            task: { steps: shape.name === "1M" ? 5 : 2 },
            rounds: quick ? 2 : shape.name === "1M" ? 5 : 3,
            warmUps: 0,
            onRound: (done, total) => progress(`${setting}: ${done} of ${total}`),
          });
          const mine = results.get(ours) ?? [];
          const theirs = results.get(rival) ?? [];
          if (precision === "f32") plainRival = theirs;
          rows.push(...rowsOf(results, setting, shape, flops));
          ratios[`${precision}At${shape.name}`] = pairedRatio(rates(mine), rates(theirs));
          if (precision === "bf16")
            ratios[`bf16At${shape.name}VsPyTorchF32`] = pairedRatio(rates(mine), rates(plainRival));
          const rate = await productRate(shape, precision);
          notes.push(whereTimeGoes(setting, mine, flops, rate));
        } finally {
          for (const contender of running) await contender.close();
        }
      }
    } finally {
      await rm(weights, { recursive: true, force: true });
    }
  }
  return {
    title: "Training throughput",
    summary:
      "Steps of a Llama block model over bytes (forward, gradients, clipping, AdamW). Both sides begin with the same weights and see the same batch. Rates and ratios go by processor time, which other programs on the machine disturb least; with one thread on an idle machine it is the time of the clock. Medians, in brackets the quartiles.",
    columns: {
      rate: { title: "tokens per second of processor time", unit: "tokens/s", digits: 0, better: "higher" },
      gflops: { title: "arithmetic", unit: "GFLOP/s", digits: 1, better: "higher" },
      step: { title: "processor time a step", unit: "ms", digits: 0, better: "lower" },
      clock: { title: "clock time a step", unit: "ms", digits: 0, better: "lower" },
    },
    rows,
    ratios,
    targets: Object.fromEntries(Object.keys(ratios).map((name) => [name, { atLeast: 0.4 }])),
    checks,
    charts: [{ measure: "rate", title: "Training" }],
    versions,
    notes: [
      `${threads} ${threads === 1 ? "thread" : "threads"} each. FLOPs of a step: 6 for each weight and token, and 6 · length · width for each layer and token of attention.`,
      ...notes,
    ],
  };
}

/** Writes the weights both sides begin with; gives their number. */
async function firstWeights(shape: ModelShape, folder: string, seed: number): Promise<number> {
  const device = Device.open({ device: "cpu", threads: 1 });
  const fields = new Map<string, number>([
    ["vocab_size", vocabulary],
    ["embedding_length", shape.width],
    ["block_count", shape.layers],
    ["attention.head_count", shape.heads],
    ["attention.head_count_kv", shape.heads],
    ["feed_forward_length", shape.inner],
    ["context_length", shape.length],
    ["attention.layer_norm_rms_epsilon", 2 ** -17],
  ]);
  const model = newTrainable(llama as Architecture<never> as Architecture, fields, device, seed);
  await saveSafetensors(model, folder, { name: shape.name });
  const { count } = model;
  model.close();
  await device.close();
  return count;
}

function stepFlops({ sequences, length, width, layers }: ModelShape, parameters: number): number {
  const rows = sequences * length;
  return 6 * parameters * rows + 6 * length * width * layers * rows;
}

/** The first steps of both must come to the same losses: a speed of something else would say nothing. */
async function sameCurve(
  running: readonly Running[],
  setting: string,
  precision: string,
  steps: number,
): Promise<Check> {
  const [mine, theirs] = await Promise.all(running.map(async (contender) => (await contender.run({ steps })).losses));
  const worst = Math.max(...(mine ?? []).map((loss, step) => Math.abs(loss / (theirs?.[step] ?? Number.NaN) - 1)));
  const allowed = precision === "f32" ? 1e-3 : 2e-2;
  return {
    name: `same losses: ${setting}`,
    passed: worst < allowed,
    detail: `${steps} steps, ${mine?.[0]?.toFixed(4)} to ${mine?.at(-1)?.toFixed(4)}, largest difference ${(100 * worst).toFixed(3)} %`,
  };
}

function rates(results: readonly TrainResult[]): number[] {
  return results.map(({ losses, processorSeconds }) => losses.length / processorSeconds);
}

function rowsOf(results: Map<string, TrainResult[]>, setting: string, shape: ModelShape, flops: number): Row[] {
  const tokens = shape.sequences * shape.length;
  return [...results].map(([contender, list]) => ({
    setting,
    contender,
    measures: {
      rate: spread(rates(list).map((rate) => rate * tokens)),
      gflops: spread(rates(list).map((rate) => (rate * flops) / 1e9)),
      step: spread(list.map(({ processorSeconds, losses }) => (1000 * processorSeconds) / losses.length)),
      clock: spread(list.map(({ seconds, losses }) => (1000 * seconds) / losses.length)),
    },
  }));
}

function whereTimeGoes(setting: string, results: readonly TrainResult[], flops: number, productRate: number): string {
  const total = results.reduce((sum, { processorSeconds }) => sum + processorSeconds, 0);
  const steps = results.reduce((sum, { losses }) => sum + losses.length, 0);
  const optimizer = results.reduce((sum, { optimizerSeconds = 0 }) => sum + optimizerSeconds, 0) / total;
  const products = (flops * steps) / productRate / total;
  const percent = (share: number): string => `${Math.round(100 * share)} %`;
  return `${setting}, Quire: at the rate of products alone (${(productRate / 1e9).toFixed(0)} GFLOP/s, measured at this model's shapes) the arithmetic takes ${percent(products)} of the time, clipping and optimiser ${percent(optimizer)}, the rest (copies into order, transposes, element by element, attention above its share) ${percent(1 - products - optimizer)}. The graph is built once and costs nothing a step.`;
}
