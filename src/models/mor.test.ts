import { afterAll, describe, expect, it } from "vitest";
import { type LoadedModel, loadModel } from "../engine/model.js";
import { adamW } from "../tensor/optim/adamw.js";
import { RandomStream } from "../tensor/random.js";
import { closeTestDevice, testDevice } from "../tensor/reference.case.js";
import { newTrainable, type Trainable } from "../train/trainable.js";
import { TrainingPass } from "../train/training-pass.js";
import { TrainingStep } from "../train/training-step.js";
import type { MetadataValue } from "../weights/weight-file.js";
import { preNormModel } from "./blocks/pre-norm-model.js";
import { capacityOf, type MorConfig, weightSets } from "./mor/config.js";
import { morForward } from "./mor/forward.js";
import { mor } from "./mor.js";
import { plainMor } from "./mor-reference.case.js";
import { apart, meanLoss } from "./plain-numbers.case.js";
import { runPasses } from "./run-passes.case.js";
import { headOnly, type TinyFile, writeTinyFile } from "./tiny-file.case.js";
import { checkSlopes, namedTensors } from "./trained-slopes.case.js";

type Fields = Record<string, MetadataValue>;

const vocabulary = 30;
const base: Fields = {
  vocab_size: vocabulary,
  embedding_length: 12,
  "attention.head_count": 3,
  "attention.head_count_kv": 1,
  feed_forward_length: 20,
  context_length: 64,
  "attention.layer_norm_rms_epsilon": 1e-5,
  block_count: 8,
  recursions: 3,
};
const configurations: Record<string, Fields> = {
  expert: { ...base, "router.alpha": 0.5 },
  "expert, two recursions, tanh": { ...base, recursions: 2, "router.gate": "tanh", "router.alpha": 1 },
  "expert, cycle, added as it is": { ...base, block_count: 6, sharing: "cycle", "router.gating": "additive" },
  "expert, not all at first": { ...base, capacity: Float32Array.of(0.75, 0.5, 0.25), "router.alpha": 0.5 },
  "expert, shared entries": { ...base, kv: "shared", "router.alpha": 0.5 },
  token: { ...base, "router.kind": "token", kv: "recursion" },
  "token, mlp, sigmoid": {
    ...base,
    "router.kind": "token",
    "router.net": "mlp",
    "router.gate": "sigmoid",
    kv: "recursion",
  },
  "token, shared entries": { ...base, "router.kind": "token" },
};
const names = Object.keys(configurations);

const withoutBiases = preNormModel({ name: "qwen2", rotation: "neox" });

const open: LoadedModel[] = [];
afterAll(async () => {
  for (const model of open) await model.close();
  closeTestDevice();
});

async function tiny(name: string, seed = 7): Promise<{ file: TinyFile<MorConfig>; model: LoadedModel }> {
  const file = await writeTinyFile(mor, configurations[name] as Fields, { seed });
  const model = await loadModel(file.path, { device: "cpu", threads: 1 });
  open.push(model);
  return { file, model };
}

const text = (length: number, seed = 1) => {
  const random = new RandomStream(seed, "text");
  return Array.from({ length }, () => random.below(vocabulary));
};

const configOf = (more: Fields) => mor.readConfig(headOnly(Object.entries({ ...base, ...more })));

describe("the shape of a mixture of recursions", () => {
  it("capacities", () => {
    const counts = (recursions: number, n: number) => {
      const config = configOf({ recursions });
      return Array.from({ length: recursions }, (_, r) => capacityOf(config, r + 1, n));
    };
    expect(counts(3, 10)).toEqual([10, 6, 3]);
    expect(counts(3, 9)).toEqual([9, 6, 3]);
    expect(counts(3, 1)).toEqual([1, 1, 1]);
    expect(counts(4, 16)).toEqual([16, 12, 8, 4]);
  });

  it("which weights each layer uses, and that they are stored once", () => {
    const config = configOf({});
    expect(weightSets(config)).toEqual([0, 1, 2, 1, 2, 1, 2, 3]);
    expect(weightSets(configOf({ sharing: "cycle", block_count: 6 }))).toEqual([0, 1, 0, 1, 0, 1]);
    expect(weightSets(configOf({ block_count: 30 })).length).toBe(29);
    const layers = (mor.parameters?.(config) ?? []).filter(({ name }) => name.endsWith("attn_q.weight"));
    expect(layers.length).toBe(4);
  });

  it("refuses what cannot be", () => {
    const config = (more: Fields) => () => configOf(more);
    expect(config({ capacity: Float32Array.of(0.5, 1, 0.5) })).toThrow(/capacity/);
    expect(config({ capacity: Float32Array.of(1, 0.5, 0) })).toThrow(/capacity/);
    expect(config({ capacity: Float32Array.of(1, 0.5) })).toThrow(/capacity/);
    expect(config({ block_count: 4 })).toThrow(/num_hidden_layers/);
    expect(config({ sharing: "sequence" })).toThrow(/sharing/);
    expect(config({ kv: "shared", capacity: Float32Array.of(0.9, 0.5, 0.1) })).toThrow(/kv/);
    expect(config({ kv: "shared-update" })).toThrow(/kv/);
    expect(config({ "router.kind": "both" })).toThrow(/router.kind/);
    expect(config({ "router.gate": "softmax" })).toThrow(/router.gate/);
    expect(config({ "router.kind": "token", "router.gate": "tanh" })).toThrow(/router.gate/);
    expect(config({ "router.temperature": 0 })).toThrow(/temperature/);
    const { recursions, ...rest } = base;
    expect(recursions).toBe(3);
    expect(() => mor.readConfig(headOnly(Object.entries(rest)))).toThrow(/does not say how its recursions work/);
  });
});

describe("serving a mixture of recursions", () => {
  it.each(names)("%s: the plain computation, sizes 1, 2, 7, 33", async (name) => {
    const { file, model } = await tiny(name);
    for (const length of [1, 2, 7, 33]) {
      const expected = plainMor(file.config, file.tensors, text(length), "above zero");
      const { logits, depths, entries } = await runPasses(model, [text(length)]);
      expect(apart(logits[0] ?? [], expected.logits)).toBeLessThan(1e-5);
      const passes = text(length).map((_, at) => expected.entered.filter((rows) => rows.includes(at)).length);
      expect(depths[0]).toEqual(passes);
      // Entries lie where rows went, and nowhere else.
      const { recursions, sharedLayers, kv, outerLayers } = file.config;
      const wanted = Array.from({ length: kv === "shared" ? 1 : recursions }, (_, r) =>
        new Array<number>(sharedLayers).fill(expected.entered[r]?.length ?? 0),
      ).flat();
      expect(entries[0]).toEqual(outerLayers ? [length, ...wanted, length] : wanted);
    }
  });

  it.each(names)("%s: slices, single tokens and company change nothing, later tokens neither", async (name) => {
    const { model } = await tiny(name);
    const texts = [text(33), text(5, 2), text(21, 3)];
    const alone = await runPasses(model, [texts[0] ?? []]);
    expect(new Set(alone.depths[0]).size).toBeGreaterThan(1);
    for (const slice of [1, 4, 20]) {
      const together = await runPasses(model, texts, slice);
      expect(apart(together.logits[0] ?? [], alone.logits[0] ?? [])).toBeLessThan(1e-4);
      expect(together.depths[0]).toEqual(alone.depths[0]);
    }
    const changed = await runPasses(model, [[...(texts[0] ?? []).slice(0, 20), 11, 12, 13]]);
    expect(apart(changed.logits[0]?.slice(0, 20) ?? [], alone.logits[0]?.slice(0, 20) ?? [])).toBeLessThan(1e-5);
    expect(changed.depths[0]?.slice(0, 20)).toEqual(alone.depths[0]?.slice(0, 20));
  });

  it("without a router it is a plain decoder whose layers have the same weights", async () => {
    const tied = await writeTinyFile(mor, { ...base, block_count: 5, "router.kind": "none" }, { seed: 3 });
    // Qwen 2 is Llama with another order of what is rotated, and biases that files may leave out.
    const plain = await writeTinyFile(
      withoutBiases,
      { ...base, block_count: 5 },
      {
        seed: 3,
        change: (name, values) => {
          const layer = /^blk\.(\d)\./.exec(name)?.[1];
          if (layer === undefined) return;
          const set = [0, 1, 1, 1, 2][Number(layer)];
          values.set(tied.tensors.get(name.replace(/^blk\.\d/, `blk.${set}`)) ?? []);
        },
      },
    );
    const [ours, theirs] = await Promise.all(
      [tied.path, plain.path].map(async (file) => {
        const model = await loadModel(file, { device: "cpu", threads: 1 });
        open.push(model);
        return (await runPasses(model, [text(21)])).logits[0] ?? [];
      }),
    );
    const expected = plainMor(tied.config, tied.tensors, text(21), "above zero");
    expect(apart(ours ?? [], expected.logits)).toBeLessThan(1e-5);
    expect(apart(ours ?? [], theirs ?? [])).toBeLessThan(1e-5);
  });

  it("choosing the largest scores lets later tokens decide", async () => {
    const { file } = await tiny("expert");
    const whole = plainMor(file.config, file.tensors, text(33), "largest").entered[1] ?? [];
    const shorter = plainMor(file.config, file.tensors, text(33).slice(0, 20), "largest").entered[1] ?? [];
    expect(whole.filter((at) => at < 20)).not.toEqual(shorter);
  });

  it("one recursion: shared entries are its own", async () => {
    const fields = { ...base, recursions: 1, block_count: 4, "router.alpha": 0.5 };
    const logits = await Promise.all(
      ["recursion", "shared"].map(async (kv) => {
        const file = await writeTinyFile(mor, { ...fields, kv }, { seed: 3 });
        const model = await loadModel(file.path, { device: "cpu", threads: 1 });
        open.push(model);
        return (await runPasses(model, [text(12)])).logits[0] ?? [];
      }),
    );
    expect(apart(logits[0] ?? [], logits[1] ?? [])).toBe(0);
  });

  it("says where a score is not a number", async () => {
    const file = await writeTinyFile(mor, configurations["expert"] as Fields, {
      change: (name, values) => {
        if (name === "router.2.weight") values[0] = Number.NaN;
      },
    });
    const model = await loadModel(file.path, { device: "cpu", threads: 1 });
    open.push(model);
    await expect(runPasses(model, [text(3)])).rejects.toThrow(/recursion 2 is not a number at row 0/);
  });
});

function trainable(name: string, seed = 3, more: Fields = {}): Trainable {
  const fields = new Map(Object.entries({ ...configurations[name], ...more }));
  return newTrainable(mor as never, fields, testDevice(1), seed);
}

const [sequences, length] = [2, 9];
const batch = {
  tokens: Int32Array.from([...text(length, 4), ...text(length, 5)]),
  targets: Int32Array.from([...text(length, 6), ...text(length, 7)]),
  ...{ sequences, length },
};

describe("training a mixture of recursions", () => {
  it.each(names)("%s: loss and gradients are those of the plain computation by central differences", async (name) => {
    const model = trainable(name);
    const config = model.config as MorConfig;
    const byToken = config.router.kind === "token";
    const auxiliary: Record<string, number> = byToken ? { balance: 0.2, z: 0.1 } : { router: 0.3 };
    const step = new TrainingStep(model, adamW(model.parameters), { sequences, length, auxiliary });
    const result = await step.gradients(batch);
    const objective = (tensors: ReadonlyMap<string, Float64Array>) => {
      const results = [0, 1].map((at) =>
        plainMor(config, tensors, Array.from(batch.tokens.subarray(length * at, length * (at + 1))), "largest"),
      );
      const loss = meanLoss(
        results.flatMap(({ logits }) => logits),
        batch.targets,
      );
      const mean = (of: (one: (typeof results)[number]) => number) =>
        results.reduce((sum, one) => sum + of(one), 0) / 2;
      return {
        loss,
        routerLoss: mean((one) => one.routerLoss),
        z: mean((one) => one.z),
        entered: results.map(({ entered }) => entered),
      };
    };
    const tensors = namedTensors(model);
    const now = objective(tensors);
    expect(result.loss).toBeCloseTo(now.loss, 5);
    if (!byToken) expect(result.auxiliary["router"]).toBeCloseTo(now.routerLoss, 5);
    else expect(result.auxiliary["z"]).toBeCloseTo(now.z, 5);
    if (byToken) {
      step.close();
      const plain = new TrainingStep(model, adamW(model.parameters), {
        sequences,
        length,
        auxiliary: { balance: 0, z: 0.1 },
      });
      const { gradients } = await plain.gradients(batch);
      checkSlopes(model, gradients, tensors, (changed) => {
        const { loss, z } = objective(changed);
        return loss + 0.1 * z;
      });
      plain.close();
    } else {
      checkSlopes(model, result.gradients, tensors, (changed) => {
        const { loss, routerLoss } = objective(changed);
        return loss + 0.3 * routerLoss;
      });
      step.close();
    }
    model.close();
  });

  it.each(["expert", "expert, not all at first", "expert, two recursions, tanh", "expert, cycle, added as it is"])(
    "%s: compact = masked, loss and gradients",
    async (name) => {
      const model = trainable(name);
      const found = await Promise.all(
        (["compact", "masked"] as const).map(async (form) => {
          const architecture = {
            ...model.architecture,
            forward: (config: never, weights: never, own: never) => morForward(config, weights, own, form),
          };
          const step = new TrainingStep({ ...model, architecture: architecture as never }, adamW(model.parameters), {
            ...{ sequences, length },
            auxiliary: { router: 0.1 },
          });
          const { loss, gradients, auxiliary } = await step.gradients(batch);
          const copies = gradients.map((gradient) => gradient.slice());
          step.close();
          return { loss, auxiliary, copies };
        }),
      );
      const [compact, masked] = found as [(typeof found)[number], (typeof found)[number]];
      expect(compact.loss).toBeCloseTo(masked.loss, 5);
      expect(compact.auxiliary["router"]).toBeCloseTo(masked.auxiliary["router"] ?? Number.NaN, 5);
      expect(compact.auxiliary["agreement"]).toBeCloseTo(masked.auxiliary["agreement"] ?? Number.NaN, 5);
      expect(apart(compact.copies, masked.copies)).toBeLessThan(1e-5);
      model.close();
    },
  );

  it("the balance of one text is that of the plain computation", async () => {
    const model = trainable("token");
    const pass = new TrainingPass(model, { sequences: 1, length, evaluates: true });
    const one = {
      ...{ tokens: batch.tokens.slice(0, length), targets: batch.targets.slice(0, length) },
      ...{ sequences: 1, length },
    };
    const { auxiliary } = await pass.run(one, { targetScale: 1, share: 1 });
    const plain = plainMor(model.config as MorConfig, namedTensors(model), Array.from(one.tokens), "largest");
    expect(auxiliary["balance"]).toBeCloseTo(plain.balance, 5);
    pass.close();
    model.close();
  });

  it.each(["expert", "token", "expert, shared entries"])("%s: learns eight sequences by heart", async (name) => {
    const model = trainable(name, 1, { embedding_length: 48, feed_forward_length: 96 });
    const step = new TrainingStep(model, adamW(model.parameters, { beta2: 0.99, weightDecay: 0 }), {
      ...{ sequences: 8, length: 12 },
      auxiliary: name === "token" ? { balance: 0.01 } : { router: 0.001 },
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
