import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Device } from "../../src/tensor/device.js";
import type { Recipe } from "../../src/train/recipe.js";
import { longText } from "../cache/texts.js";
import { addSeed, FinishedRuns } from "../lib/finished-runs.js";
import type { Bench, BenchOptions, Column, Findings, Row } from "../lib/report.js";
import type { Spread } from "../lib/statistics.js";
import { trainArm } from "../lib/train-arm.js";
import { type Served, type ServedOptions, served } from "./measure.js";

/** Mixture-of-Recursions beside plain transformers and fixed recursion, as bytes of a text are learnt: once with equal steps (the table
 *  in which weights may be compared), once with equal floating-point operations of training. */

interface Outcome {
  readonly weights: number;
  readonly stepSeconds: number;
  /** As trained: recursions take the largest scores of a whole window. */
  readonly trainedBits: number;
  readonly agreement?: number;
  readonly served: Served;
}

interface Size extends ServedOptions {
  readonly seeds: number;
  readonly steps: number;
}

const full: Size = {
  ...{ seeds: 3, steps: 300, windows: 128, length: 64, heldAt: 512, decodeAt: [512, 4096], decodeSteps: 48 },
};
const quick: Size = { seeds: 1, steps: 10, windows: 8, length: 64, heldAt: 128, decodeAt: [128], decodeSteps: 8 };

const model = { hiddenSize: 48, heads: 4, innerSize: 128, context: 4608 };
const batch = { sequences: 8, length: 64 };
const [layers, recursions] = [8, 3];
const shared = (layers - 2) / recursions;

interface Arm {
  readonly title: string;
  readonly architecture: "llama" | "mor";
  readonly layers: number;
  readonly fields?: Record<string, string | number>;
  readonly auxiliary?: Record<string, number>;
  /** Mean times that a row goes through the shared layers, as trained. */
  readonly passes: number;
  /** And its attention: (rows that take part / all rows)², summed. */
  readonly attention: number;
}

const halves = { passes: 2, attention: 1 + 4 / 9 + 1 / 9 };
const arms: Readonly<Record<string, Arm>> = {
  "plain-4": { title: "plain, 4 layers (equal weights)", architecture: "llama", layers: 4, passes: 1, attention: 1 },
  "plain-8": { title: "plain, 8 layers (equal depth)", architecture: "llama", layers: 8, passes: 3, attention: 3 },
  recursive: arm("recursive, 3 passes for all", { "router.kind": "none" }, {}, { passes: 3, attention: 3 }),
  expert: arm("mor expert, gate 0.1", { "router.kind": "expert" }, { router: 0.001 }, halves),
  "expert-1": arm("mor expert, gate 1", { "router.kind": "expert", "router.alpha": 1 }, { router: 0.01 }, halves),
  token: arm("mor token", { "router.kind": "token", kv: "recursion" }, { balance: 0.1, z: 1e-5 }, halves),
};
/** Of the second table. */
const equalWork = ["plain-4", "plain-8", "recursive", "expert-1", "token"];

function arm(
  title: string,
  fields: Record<string, string | number>,
  auxiliary: Record<string, number>,
  work: { passes: number; attention: number },
): Arm {
  return { title, architecture: "mor", layers, fields: { recursions, ...fields }, auxiliary, ...work };
}

/** Floating-point operations of training, a byte of text. */
function workOf({ passes, attention, layers: own, architecture }: Arm): number {
  const { hiddenSize: c, innerSize: f } = model;
  const layer = 4 * c * c + 3 * c * f;
  const isPlain = architecture === "llama";
  const uses = isPlain ? own : 2 + shared * passes;
  const attends = isPlain ? own : 2 + shared * attention;
  return 6 * (uses * layer + 257 * c) + 6 * batch.length * c * attends;
}

const columns: Record<string, Column> = {
  bits: { title: "bits a byte, served", unit: "", digits: 3, better: "lower" },
  trained: { title: "as trained", unit: "", digits: 3, better: "lower" },
  work: { title: "training", unit: "kFLOP a byte", digits: 0, better: "lower" },
  steps: { title: "steps", unit: "", digits: 0, better: "neither" },
  weights: { title: "weights without embedding", unit: "k", digits: 0, better: "lower" },
  second: { title: "rows in recursion 2", unit: "%", digits: 0, better: "neither" },
  third: { title: "in recursion 3", unit: "%", digits: 0, better: "neither" },
  agreement: { title: "choices as trained", unit: "%", digits: 0, better: "higher" },
  held: { title: "keys and values", unit: "bytes a byte", digits: 0, better: "lower" },
  stepMs: { title: "processor time a training step", unit: "ms", digits: 0, better: "lower" },
  prefill: { title: "reading, a byte", unit: "ms", digits: 3, better: "lower" },
  decode512: { title: "writing after 512, a byte", unit: "ms", digits: 2, better: "lower" },
  decode4096: { title: "after 4,096", unit: "ms", digits: 2, better: "lower" },
};

export const morBench: Bench = { title: "Mixture-of-Recursions", run };

async function run(options: BenchOptions): Promise<Findings> {
  const size = options.quick ? quick : full;
  const scratch = await mkdtemp(join(tmpdir(), "quire-bench-mor-"));
  const text = await longText(options.text, scratch, options.quick);
  await rm(scratch, { recursive: true, force: true });
  const bytes = new Uint8Array(Buffer.from(text.text, "utf8"));
  const kept = Math.max(size.length * size.windows + 1, Math.max(...size.decodeAt) + size.decodeSteps + 16);
  const finished = new FinishedRuns<Outcome>("mor", 1, {
    size,
    arms,
    model,
    batch,
    seed: options.seed,
    text: text.name,
  });
  await mkdir(finished.folder, { recursive: true });
  const training = join(finished.folder, "text.txt");
  await writeFile(training, bytes.subarray(0, bytes.length - kept));
  const held = new Uint8Array(bytes.subarray(bytes.length - kept));
  const validation = join(finished.folder, "validation.txt");
  await writeFile(validation, held.subarray(0, size.length * size.windows + 1));
  const device = Device.open({ device: "cpu", threads: options.threads ?? 1 });
  const shared = { device, folder: finished.folder, progress: options.progress };
  const tables = [
    { table: "equal steps", names: Object.keys(arms), stepsOf: () => size.steps },
    {
      table: "equal work of training",
      names: equalWork,
      stepsOf: (own: Arm) => Math.round((size.steps * workOf(arms["plain-8"] as Arm)) / workOf(own)),
    },
  ];
  const outcomes = new Map<string, Outcome[]>();
  try {
    for (let seed = options.seed; seed < options.seed + size.seeds; seed++) {
      const ofSeed = new Map<string, Outcome | undefined>();
      for (const { table, names, stepsOf } of tables) {
        for (const name of names) {
          const own = arms[name] as Arm;
          const recipe = recipeOf(name, own, stepsOf(own), seed, [training, validation]);
          const work = () =>
            trainArm(recipe, shared, async ({ run: opened, loss, auxiliary, stepSeconds }) => ({
              weights: layerWeightsOf(opened.model),
              stepSeconds,
              trainedBits: loss / Math.LN2,
              ...(auxiliary["agreement"] === undefined ? {} : { agreement: auxiliary["agreement"] }),
              served: await served(opened, held, size),
            }));
          const found =
            options.saved === true ? await finished.get(recipe.name) : await finished.once(recipe.name, work);
          ofSeed.set(`${table} ${name}`, found);
        }
      }
      addSeed(outcomes, ofSeed);
    }
  } finally {
    await device.close();
  }
  const size2 = (await readFile(training)).length;
  return findings(
    outcomes,
    tables,
    size,
    `${text.name}, ${size2} bytes to learn, the ${size.windows * size.length} after them to score`,
    [
      text.note,
      ...(options.saved === true ? ["Printed from what a run had measured that was not finished (`--saved`)."] : []),
    ].join(" "),
  );
}

function recipeOf(
  name: string,
  own: Arm,
  steps: number,
  seed: number,
  [text, validation]: readonly [string, string],
): Recipe {
  return {
    name: `${name}-${steps}-${seed}`,
    model: { architecture: own.architecture, ...model, layers: own.layers, fields: own.fields ?? {} },
    data: { text: [text], validation: [validation], evaluationBatches: 16 },
    batch,
    ...{ steps, seed, auxiliary: own.auxiliary ?? {}, evaluateEvery: steps },
    optimizer: { name: "adamw", learningRate: 4e-3 },
  };
}

function layerWeightsOf({ parameters }: { parameters: readonly { name: string; elements: number }[] }): number {
  return parameters
    .filter(({ name }) => !name.startsWith("token_embd"))
    .reduce((sum, { elements }) => sum + elements, 0);
}

interface Table {
  readonly table: string;
  readonly names: readonly string[];
  stepsOf(own: Arm): number;
}

function findings(
  outcomes: ReadonlyMap<string, Outcome[]>,
  tables: readonly Table[],
  size: Size,
  what: string,
  note: string,
): Findings {
  const rows: Row[] = [];
  for (const { table, names, stepsOf } of tables) {
    for (const name of names) {
      const own = arms[name] as Arm;
      const found = outcomes.get(`${table} ${name}`) ?? [];
      if (found.length === 0) continue;
      const of = (value: (one: Outcome) => number | undefined) => range(found.map((one) => value(one) ?? Number.NaN));
      const routed = own.architecture === "mor" && name !== "recursive";
      rows.push({
        setting: table,
        contender: own.title,
        measures: {
          bits: of((one) => one.served.bitsPerByte),
          ...(name.startsWith("expert") ? { trained: of((one) => one.trainedBits) } : {}),
          work: of(() => workOf(own) / 1000),
          steps: of(() => stepsOf(own)),
          weights: of((one) => one.weights / 1000),
          ...(routed
            ? {
                second: of((one) => 100 * (one.served.shares[1] ?? 0)),
                third: of((one) => 100 * (one.served.shares[2] ?? 0)),
                agreement: of((one) => 100 * (one.agreement ?? Number.NaN)),
              }
            : {}),
          held: of((one) => one.served.heldBytes),
          stepMs: of((one) => 1000 * one.stepSeconds),
          prefill: of((one) => one.served.prefillMs),
          decode512: of((one) => one.served.decodeMs[0]),
          decode4096: of((one) => one.served.decodeMs[1]),
        },
      });
    }
  }
  const bits = (table: string, name: string): number =>
    mean((outcomes.get(`${table} ${name}`) ?? []).map((one) => one.served.bitsPerByte));
  const heldOf = (name: string): number =>
    mean((outcomes.get(`equal steps ${name}`) ?? []).map((one) => one.served.heldBytes));
  const ratios: Record<string, number> = {};
  for (const { table } of tables)
    for (const other of ["recursive", "plain-4", "plain-8"])
      ratios[`${table}: bits a byte, mor expert (gate 1) - ${arms[other]?.title}`] =
        bits(table, "expert-1") - bits(table, other);
  ratios["keys and values, mor expert (gate 0.1) / equal depth"] = heldOf("expert") / heldOf("plain-8");
  ratios["keys and values, mor token / equal depth"] = heldOf("token") / heldOf("plain-8");
  const seeds = Math.max(0, ...[...outcomes.values()].map(({ length }) => length));
  return {
    title: "Mixture-of-Recursions beside plain and recursive transformers",
    summary:
      "Bytes of a text, the same batches in the same order, one optimiser, one learning rate. Means over seeds, brackets: smallest and largest; a difference smaller than these is none. Served: the saved model, opened again, text it never saw, every choice made without later bytes. As trained: recursions take the largest scores of a whole window, which lets later bytes decide. Work counts a row where it ran, three times its forward pass.",
    columns,
    rows,
    ratios,
    targets: { "keys and values, mor expert (gate 0.1) / equal depth": { atMost: 1 } },
    checks: [],
    charts: [{ measure: "bits", title: "Bits a byte" }],
    versions: {},
    notes: [
      `Text: ${what}. ${note}`,
      `At most ${seeds} of ${size.seeds} seeds; width ${model.hiddenSize}, ${size.steps} steps of ${batch.sequences} windows of ${batch.length} bytes: far less than the paper's 27 billion tokens, and than what these models could learn.`,
      "Token choice is trained with all rows computed and those not chosen hidden, so a step of it takes as long as fixed recursion; its work is counted as if they were left out, as they are when serving.",
      `Keys and values: held for ${size.heldAt} bytes of text, f16, all layers.`,
    ],
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function range(values: readonly number[]): Spread {
  const known = values.filter((value) => !Number.isNaN(value));
  return { value: mean(known), low: Math.min(...known), high: Math.max(...known), n: known.length };
}
