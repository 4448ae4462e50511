import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Device } from "../../src/tensor/device.js";
import { ggufTokenizer } from "../../src/text/gguf-tokenizer.js";
import { openGguf } from "../../src/weights/gguf.js";
import { resolveModel } from "../../src/weights/resolve-model.js";
import { longText } from "../cache/texts.js";
import { startContender } from "../lib/contender.js";
import { FinishedRuns } from "../lib/finished-runs.js";
import type { Bench, BenchOptions, Check, Column, Findings, Row } from "../lib/report.js";
import { single } from "../lib/statistics.js";
import { type Learnt, learn } from "./learn.js";
import { plainWeights } from "./plain-weights.js";
import type { Method, StepLoad, StepOutcome, StepTask } from "./step.js";

/** SeCO and SpaCO beside full backpropagation and recomputation: memory and time of the gradients of one long sequence, for adapters of
 *  SmolLM2; whether the gradients are the same; and what is learnt in equally many steps. */

interface Size {
  readonly lengths: readonly number[];
  readonly chunk: number;
  /** SpaCO learns from one chunk in so many. */
  readonly sparsity: number;
  /** Tokens over which gradients are compared, with weights in f32. */
  readonly exactAt: number;
  readonly learning: { readonly length: number; readonly chunk: number; readonly steps: number; readonly rate: number };
}

const full: Size = {
  ...{ lengths: [1024, 4096, 16_384], chunk: 256, sparsity: 8, exactAt: 512 },
  learning: { length: 512, chunk: 64, steps: 24, rate: 1e-3 },
};
const quick: Size = {
  ...{ lengths: [256, 1024], chunk: 64, sparsity: 8, exactAt: 128 },
  learning: { length: 128, chunk: 32, steps: 4, rate: 1e-3 },
};

const methods: Readonly<Record<Method, string>> = {
  full: "full backpropagation",
  recompute: "recomputing layers",
  seco: "seco",
  spaco: "spaco",
};

const mib = 2 ** 20;

const columns: Record<string, Column> = {
  peak: { title: "peak of the process", unit: "MiB", digits: 0, better: "lower" },
  step: { title: "of it for the step", unit: "MiB", digits: 0, better: "lower" },
  needs: { title: "has no room: needs", unit: "MiB", digits: 0, better: "neither" },
  processor: { title: "processor time", unit: "s", digits: 1, better: "lower" },
  seconds: { title: "time", unit: "s", digits: 1, better: "lower" },
  loss: { title: "loss", unit: "", digits: 4, better: "neither" },
  held: { title: "loss on text kept back", unit: "", digits: 4, better: "lower" },
};

export const secoSpacoBench: Bench = { title: "SeCO and SpaCO", run };

type Kept = Omit<StepOutcome, "gradient">;

async function run(options: BenchOptions): Promise<Findings> {
  const size = options.quick ? quick : full;
  const threads = options.threads ?? 2;
  const { path, name } = await resolveModel(options.model ?? "smollm2-135m-instruct");
  const settings = { size, threads, seed: options.seed, model: name, text: options.text ?? "" };
  const finished = new FinishedRuns<Kept & { apart?: number } & Partial<Learnt>>("seco-spaco", 1, settings);
  await mkdir(finished.folder, { recursive: true });
  const text = await longText(options.text, finished.folder, options.quick);
  const tokens = await tokensOf(path, text.text);
  const longest = Math.max(...size.lengths);
  if (tokens.length < longest + 1)
    throw new Error(`${text.name} has ${tokens.length} tokens, ${longest + 1} are needed`);
  const once = async <Outcome>(key: string, work: () => Promise<Outcome>): Promise<Outcome> => {
    options.progress(key);
    return (await finished.once(key, work as never)) as Outcome;
  };

  const found = new Map<string, Kept>();
  for (const length of size.lengths) {
    for (const method of Object.keys(methods) as Method[]) {
      const key = `${method} ${length}`;
      const outcome = await once(key, async () => {
        const { gradient: _, ...kept } = await measured({ model: path, threads }, taskOf(method, tokens, length, size));
        return kept;
      });
      found.set(key, outcome);
    }
  }
  const device = Device.open({ device: "cpu", threads });
  const exact = await once(`exact ${size.exactAt}`, async () => {
    const plain = await plainWeights(path, join(finished.folder, "plain.gguf"), device);
    const load = { model: plain, threads };
    const expected = await measured(load, taskOf("full", tokens, size.exactAt, size));
    const seco = await measured(load, taskOf("seco", tokens, size.exactAt, size));
    return { apart: apart(seco.gradient, expected.gradient) };
  });
  const learnt = new Map<Method, Learnt>();
  for (const method of ["full", "seco", "spaco"] as const) {
    const outcome = await once(`learning ${method}`, () =>
      learn({ method, ...size.learning, sparsity: 4, model: path, tokens, seed: options.seed, device }),
    );
    learnt.set(method, outcome);
  }
  await device.close();
  return report(size, found, exact.apart, learnt, threads, text.note);
}

async function measured(load: StepLoad, task: StepTask): Promise<StepOutcome> {
  const module = new URL("./step.ts", import.meta.url);
  const child = await startContender<StepLoad, StepTask, StepOutcome>({ name: task.method, module, load });
  try {
    return await child.run(task);
  } finally {
    await child.close();
  }
}

function taskOf(method: Method, tokens: Int32Array, length: number, { chunk, sparsity }: Size): StepTask {
  return {
    method,
    tokens: tokens.slice(0, length),
    targets: tokens.slice(1, length + 1),
    chunk: Math.min(chunk, length / 4),
    budget: Math.max(2, Math.round(length / chunk / sparsity)),
    seed: 1,
  };
}

async function tokensOf(path: string, text: string): Promise<Int32Array> {
  const file = await openGguf(path);
  const tokenizer = ggufTokenizer(file.metadata);
  try {
    return tokenizer.encode(text.slice(0, 400_000));
  } finally {
    tokenizer.close();
    await file.close();
  }
}

function apart(found: Float32Array, expected: Float32Array): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference += ((found[i] ?? Number.NaN) - (expected[i] as number)) ** 2;
    size += (expected[i] as number) ** 2;
  }
  return Math.sqrt(difference / size);
}

function report(
  size: Size,
  found: ReadonlyMap<string, Kept>,
  exact: number,
  learnt: ReadonlyMap<Method, Learnt>,
  threads: number,
  textNote: string,
): Findings {
  const at = (method: Method, length: number): Kept | undefined => {
    const outcome = found.get(`${method} ${length}`);
    return outcome?.needsBytes === undefined ? outcome : undefined;
  };
  const rows: Row[] = [];
  for (const length of size.lengths) {
    for (const [method, title] of Object.entries(methods) as [Method, string][])
      rows.push({ setting: `${count(length)} tokens`, contender: title, measures: measuresOf(found, method, length) });
  }
  for (const [method, { loss, held, seconds }] of learnt) {
    rows.push({
      setting: `${size.learning.steps} steps of ${count(size.learning.length)} tokens`,
      contender: methods[method],
      measures: { loss: single(loss), held: single(held), seconds: single(seconds) },
    });
  }
  const longestFull = size.lengths.filter((length) => at("full", length) !== undefined).at(-1) ?? 0;
  const longest = size.lengths.at(-1) ?? 0;
  const [fullThere, secoThere] = [at("full", longestFull), at("seco", longestFull)];
  const [seco, spaco] = [at("seco", longest), at("spaco", longest)];
  const quotient = (a: number | undefined, b: number | undefined): number => (a ?? Number.NaN) / (b ?? Number.NaN);
  const stepOf = (kept: Kept | undefined): number => (kept?.peakBytes ?? Number.NaN) - (kept?.restBytes ?? Number.NaN);
  const checks: Check[] = [
    {
      name: "gradients are those of full backpropagation",
      passed: exact < 1e-4,
      detail: `relative difference ${exact.toExponential(1)} over ${count(size.exactAt)} tokens, weights in f32`,
    },
    {
      name: `${count(longest)} tokens within 8 GiB`,
      passed: (seco?.peakBytes ?? Number.POSITIVE_INFINITY) < 8 * 2 ** 30,
      detail: `${Math.round((seco?.peakBytes ?? Number.NaN) / mib)} MiB`,
    },
  ];
  return {
    title: "SeCO and SpaCO: long sequences in the memory of a chunk",
    summary: `Gradients of a LoRA adapter (rank 8, queries and values) beside SmolLM2-135M's frozen 4-bit weights, for one sequence, each in a process of its own. Chunks of ${size.chunk} tokens; spaco learns from one chunk in ${size.sparsity}.`,
    columns,
    rows,
    ratios: {
      "full/seco peak": quotient(fullThere?.peakBytes, secoThere?.peakBytes),
      "full/seco step memory": stepOf(fullThere) / stepOf(secoThere),
      "seco/full time": quotient(secoThere?.processorSeconds, fullThere?.processorSeconds),
      "seco/spaco time": quotient(seco?.processorSeconds, spaco?.processorSeconds),
      "spaco-seco held loss": (learnt.get("spaco")?.held ?? Number.NaN) - (learnt.get("seco")?.held ?? Number.NaN),
    },
    targets: { "full/seco peak": { atLeast: 4 }, "seco/spaco time": { atLeast: 2 } },
    checks,
    charts: [
      { measure: "peak", title: "Peak memory of a step", settings: size.lengths.map((n) => `${count(n)} tokens`) },
    ],
    versions: {},
    notes: [
      textNote,
      `Ratios of memory and of time against full backpropagation are at ${count(longestFull)} tokens, the longest it has room for among those tried; seco/spaco at ${count(longest)}.`,
      "Times are processor time of all threads, which other work on the machine changes less than time on the wall.",
      "4-bit weights are multiplied with activations rounded to 8 bits, which makes the last bit of a float count in the second digit of gradients; they are compared with weights in f32.",
      `The losses in the lower rows are means over the last quarter of the steps, and over 1,024 tokens kept back; chunks of ${size.learning.chunk}, spaco one in 4, ${threads} threads.`,
    ],
  };
}

function measuresOf(found: ReadonlyMap<string, Kept>, method: Method, length: number): Row["measures"] {
  const kept = found.get(`${method} ${length}`);
  if (kept === undefined) return {};
  if (kept.needsBytes !== undefined)
    return typeof kept.needsBytes === "number" && Number.isFinite(kept.needsBytes)
      ? { needs: single(kept.needsBytes / mib) }
      : {};
  return {
    peak: single(kept.peakBytes / mib),
    step: single((kept.peakBytes - kept.restBytes) / mib),
    processor: single(kept.processorSeconds),
    seconds: single(kept.seconds),
    loss: single(kept.loss),
  };
}

function count(number: number): string {
  return number.toLocaleString("en-US");
}
