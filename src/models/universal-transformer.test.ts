import { afterAll, describe, expect, it } from "vitest";
import { type LoadedModel, loadModel } from "../engine/model.js";
import { adamW } from "../tensor/optim/adamw.js";
import { RandomStream } from "../tensor/random.js";
import { closeTestDevice, testDevice } from "../tensor/reference.case.js";
import type { Storage } from "../tensor/storage.js";
import { newTrainable, type Trainable } from "../train/trainable.js";
import { TrainingStep } from "../train/training-step.js";
import type { MetadataValue } from "../weights/weight-file.js";
import { apart, meanLoss } from "./plain-numbers.case.js";
import { inOneGraph, runPasses } from "./run-passes.case.js";
import { headOnly, type TinyFile, writeTinyFile } from "./tiny-file.case.js";
import { checkSlopes, namedTensors } from "./trained-slopes.case.js";
import { type UniversalTransformerConfig, universalTransformer } from "./universal-transformer.js";
import { plainUniversal } from "./universal-transformer-reference.case.js";

const fields = {
  vocab_size: 30,
  embedding_length: 12,
  "attention.head_count": 3,
  feed_forward_length: 20,
  context_length: 64,
  steps: 4,
};
const halting = (halted: string, output = "sum", more = {}) => ({
  ...fields,
  "halting.halted": halted,
  "halting.output": output,
  "halting.epsilon": 0.05,
  ...more,
});
const configurations: Record<string, Record<string, MetadataValue>> = {
  fixed: fields,
  "one step": { ...fields, steps: 1 },
  "two blocks a step": { ...fields, blocks_per_step: 2, steps: 2 },
  "evolve, sum": halting("evolve"),
  "evolve, interpolate": halting("evolve", "interpolate"),
  "freeze, sum": halting("freeze"),
  "freeze, interpolate": halting("freeze", "interpolate"),
  "freeze, two blocks a step": halting("freeze", "sum", { blocks_per_step: 2 }),
};

const open: LoadedModel[] = [];
afterAll(async () => {
  for (const model of open) await model.close();
  closeTestDevice();
});

type Tiny = TinyFile<UniversalTransformerConfig>;

/** `bias`: of stopping; strong weights make the steps differ from row to row. */
async function tiny(name: string, bias = -0.5, seed = 7): Promise<{ file: Tiny; model: LoadedModel }> {
  const file = await writeTinyFile(universalTransformer, configurations[name] as Record<string, MetadataValue>, {
    seed,
    change: (weight, values) => {
      if (weight === "halt.bias") values[0] = bias;
      if (weight === "halt.weight")
        for (const [i, value] of values.entries()) values[i] = Math.abs(bias) > 5 ? 0 : 3 * value;
    },
  });
  const model = await loadModel(file.path, { device: "cpu", threads: 1 });
  open.push(model);
  return { file, model };
}

const text = (length: number, seed = 1) => {
  const random = new RandomStream(seed, "text");
  return Array.from({ length }, () => random.below(30));
};

describe("universal transformer", () => {
  it.each(Object.keys(configurations))("%s: the plain computation, sizes 1, 2, 7, 33", async (name) => {
    const { file, model } = await tiny(name);
    for (const length of [1, 2, 7, 33]) {
      const expected = plainUniversal(file.config, file.tensors, text(length));
      const { logits, depths } = await runPasses(model, [text(length)]);
      expect(apart(logits[0] ?? [], expected.logits)).toBeLessThan(1e-5);
      if (file.config.halting?.halted === "freeze") expect(depths[0]).toEqual(expected.steps);
    }
  });

  it.each(Object.keys(configurations))("%s: slices, single tokens and company change nothing", async (name) => {
    const { model } = await tiny(name);
    const texts = [text(33), text(5, 2), text(21, 3)];
    const alone = await runPasses(model, [texts[0] ?? []]);
    for (const slice of [1, 4, 20]) {
      const together = await runPasses(model, texts, slice);
      expect(apart(together.logits[0] ?? [], alone.logits[0] ?? [])).toBeLessThan(1e-4);
      expect(together.depths[0]).toEqual(alone.depths[0]);
    }
    const changed = await runPasses(model, [[...(texts[0] ?? []).slice(0, 20), 11, 12, 13]]);
    expect(apart(changed.logits[0]?.slice(0, 20) ?? [], alone.logits[0]?.slice(0, 20) ?? [])).toBeLessThan(1e-5);
    expect(changed.depths[0]?.slice(0, 20)).toEqual(alone.depths[0]?.slice(0, 20));
  });

  it.each(["freeze, sum", "freeze, interpolate", "freeze, two blocks a step"])(
    "%s: step by step = all rows in one graph, with fewer rows computed",
    async (name) => {
      const { model, file } = await tiny(name);
      const texts = [text(33), text(12, 5)];
      const staged = await runPasses(model, texts, 9);
      const masked = await runPasses(inOneGraph(model), texts, 9);
      for (const at of texts.keys()) expect(apart(staged.logits[at] ?? [], masked.logits[at] ?? [])).toBeLessThan(1e-5);
      const steps = staged.depths.flat();
      expect(new Set(steps).size).toBeGreaterThan(2);
      expect(staged.stats.deepRows).toBe(steps.reduce((sum, depth) => sum + depth, 0));
      expect(staged.stats.deepRows).toBeLessThan(0.9 * steps.length * file.config.steps);
    },
  );

  it("who is sure to stop takes one step, who is sure not to takes all", async () => {
    const sure = await tiny("freeze, sum", 20);
    const one = await runPasses(sure.model, [text(9)]);
    expect(one.depths[0]).toEqual(new Array(9).fill(1));
    const single = { ...sure.file.config, steps: 1, halting: undefined };
    expect(apart(one.logits[0] ?? [], plainUniversal(single, sure.file.tensors, text(9)).logits)).toBeLessThan(1e-5);
    const never = await tiny("freeze, sum", -20);
    const all = await runPasses(never.model, [text(9)]);
    expect(all.depths[0]).toEqual(new Array(9).fill(4));
    const fixed = { ...never.file.config, halting: undefined };
    expect(apart(all.logits[0] ?? [], plainUniversal(fixed, never.file.tensors, text(9)).logits)).toBeLessThan(1e-5);
  });

  it("names the step at which a probability is not a number", async () => {
    const { file } = await tiny("freeze, sum");
    const broken = await writeTinyFile(universalTransformer, configurations["freeze, sum"] ?? {}, {
      change: (name, values) => {
        if (name === "halt.bias") values[0] = Number.NaN;
      },
    });
    expect(file.config.steps).toBe(4);
    const model = await loadModel(broken.path, { device: "cpu", threads: 1 });
    open.push(model);
    await expect(runPasses(model, [text(3)])).rejects.toThrow(/not a number at step 1/);
  });

  it("refuses what cannot be", () => {
    const config = (more: Record<string, MetadataValue>) => () =>
      universalTransformer.readConfig(headOnly(Object.entries({ ...halting("freeze"), ...more })));
    expect(config({})).not.toThrow();
    expect(config({ steps: 0 })).toThrow(/steps/);
    expect(config({ embedding_length: 9 })).toThrow(/width does not fit/);
    expect(config({ embedding_length: 14 })).toThrow(/width does not fit/);
    expect(config({ "halting.epsilon": 1 })).toThrow(/epsilon/);
    expect(config({ "halting.epsilon": 0 })).toThrow(/epsilon/);
    expect(config({ "halting.halted": "stop" })).toThrow(/halted/);
    expect(config({ "halting.output": "mean" })).toThrow(/output/);
  });
});

function trainable(name: string, seed = 3): Trainable {
  const metadata = new Map(Object.entries(configurations[name] ?? {}));
  const model = newTrainable(universalTransformer as never, metadata, testDevice(1), seed);
  // New models stop alike everywhere.
  const halt = model.parameters.find((parameter) => parameter.name === "halt.weight");
  if (halt !== undefined) (halt.owner as Storage).write(halt, new RandomStream(4, "halt").normalArray(12, 1));
  return model;
}

describe("training a universal transformer", () => {
  const [sequences, length] = [2, 7];
  const batch = {
    tokens: Int32Array.from([...text(7, 4), ...text(7, 5)]),
    targets: Int32Array.from([...text(7, 6), ...text(7, 7)]),
    ...{ sequences, length, firstPosition: 3 },
  };

  it.each(["fixed", "evolve, sum", "freeze, sum", "freeze, interpolate", "freeze, two blocks a step"])(
    "%s: loss and gradients are those of the plain computation by central differences",
    async (name) => {
      const model = trainable(name);
      const adaptive = name !== "fixed";
      const tau = 0.3;
      const step = new TrainingStep(model, adamW(model.parameters), {
        ...{ sequences, length },
        auxiliary: adaptive ? { ponder: tau } : {},
      });
      const { loss, gradients, auxiliary } = await step.gradients(batch);
      const tensors = namedTensors(model);
      const config = model.config as UniversalTransformerConfig;
      const objective = () => {
        const results = [0, 1].map((at) =>
          plainUniversal(config, tensors, Array.from(batch.tokens.subarray(7 * at, 7 * at + 7)), 3),
        );
        const plain = meanLoss(
          results.flatMap(({ logits }) => logits),
          batch.targets,
        );
        const rests = results.flatMap(({ remainders }) => remainders);
        const ponder = rests.reduce((sum, rest) => sum + rest, 0) / rests.length;
        const steps = results.flatMap((result) => result.steps);
        return { plain, total: plain + (adaptive ? tau * ponder : 0), ponder, steps };
      };
      const now = objective();
      expect(loss).toBeCloseTo(now.plain, 5);
      if (adaptive) {
        const mean = now.steps.reduce((sum, taken) => sum + taken, 0) / now.steps.length;
        expect(new Set(now.steps).size).toBeGreaterThan(1);
        expect(auxiliary["ponder"]).toBeCloseTo(now.ponder + mean, 5);
        expect(auxiliary["steps"]).toBeCloseTo(mean, 5);
      }
      checkSlopes(model, gradients, tensors, () => objective().total);
      step.close();
      model.close();
    },
  );

  it.each(["fixed", "freeze, sum"])("%s: learns eight sequences by heart", async (name) => {
    const model = newTrainable(
      universalTransformer as never,
      new Map<string, MetadataValue>(
        Object.entries({ ...configurations[name], embedding_length: 48, feed_forward_length: 96 }),
      ),
      testDevice(1),
      1,
    );
    const step = new TrainingStep(model, adamW(model.parameters, { beta2: 0.99, weightDecay: 0 }), {
      ...{ sequences: 8, length: 12 },
      auxiliary: name === "fixed" ? {} : { ponder: 0.001 },
    });
    const data = {
      tokens: Int32Array.from(text(96, 8)),
      targets: Int32Array.from(text(96, 9)),
      sequences: 8,
      length: 12,
    };
    let loss = Number.POSITIVE_INFINITY;
    for (let at = 0; at < 300 && loss > 0.05; at++)
      loss = (await step.step(data, 5e-3 * Math.min(1, (at + 1) / 20))).loss;
    expect(loss).toBeLessThan(0.05);
    step.close();
    model.close();
  });
});
