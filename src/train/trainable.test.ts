import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadModel } from "../engine/model.js";
import { plainLogits, tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import { adamW } from "../tensor/optim/adamw.js";
import { closeTestDevice, testDevice } from "../tensor/reference.case.js";
import { openTokenizer } from "../text/open-tokenizer.js";
import { byteVocabulary } from "../text/small-vocabulary.js";
import { openWeightFile } from "../weights/open-weight-file.js";
import { valuesOf } from "./checkpoint.js";
import { saveGguf, saveSafetensors } from "./save-model.js";
import { tinyRun } from "./tiny-run.case.js";
import { loadTrainable, newTrainable, type Trainable } from "./trainable.js";
import { TrainingStep } from "./training-step.js";

afterAll(closeTestDevice);

const tokens = Int32Array.from([3, 17, 201, 5, 5, 99]);
const targets = Int32Array.from([17, 201, 5, 5, 99, 42]);

async function load(file: string): Promise<Trainable> {
  const opened = await openWeightFile(file);
  try {
    return await loadTrainable(opened, testDevice(1));
  } finally {
    await opened.close();
  }
}

describe.each(["llama", "qwen2", "qwen3"] as const)("a trained %s", (architecture) => {
  it("has the loss and the gradients of a plain f64 model", async () => {
    const tiny = await writeTinyModel(tinyShape(architecture));
    const model = await load(tiny.path);
    const step = new TrainingStep(model, adamW(model.parameters), { sequences: 1, length: tokens.length });
    const { loss, gradients } = await step.gradients({ tokens, targets, sequences: 1, length: tokens.length });
    const plainLoss = (): number =>
      plainLogits(tiny, [...tokens]).reduce((sum, row, place) => {
        const most = Math.max(...row);
        const total = row.reduce((all, value) => all + Math.exp(value - most), 0);
        return sum + Math.log(total) + most - (row[targets[place] as number] as number);
      }, 0) / tokens.length;
    expect(loss).toBeCloseTo(plainLoss(), 4);
    for (const [index, parameter] of model.parameters.entries()) {
      for (const member of model.members.get(parameter.name) ?? []) {
        const values = tiny.tensors.get(member.name) as Float32Array;
        const from = member.name.startsWith("token_embd") ? 17 * 32 : 0;
        const place = from + ((7 * values.length) % Math.min(values.length, 31));
        const before = values[place] as number;
        const width = 2 ** -8;
        const lossAt = (value: number): number => {
          values[place] = value;
          return plainLoss();
        };
        const slope = (lossAt(before + width) - lossAt(before - width)) / (2 * width);
        values[place] = before;
        const found = gradients[index]?.[member.start + place] as number;
        expect(Math.abs(found - slope), `${member.name}: ${found} for ${slope}`).toBeLessThan(
          2e-3 * Math.max(Math.abs(slope), 0.02),
        );
      }
    }
    step.close();
    model.close();
    await rm(path.dirname(tiny.path), { recursive: true });
  });
});

describe("saved models", () => {
  it.each(["gguf", "safetensors"] as const)("as %s hold the same weights and open in the engine", async (format) => {
    const folder = await mkdtemp(path.join(tmpdir(), "quire-saved-"));
    const { model } = tinyRun({ seed: 4 });
    const place = path.join(folder, format === "gguf" ? "model.gguf" : "model");
    const options = { name: "tiny", vocabulary: byteVocabulary(), notes: { seed: 4 } };
    await (format === "gguf" ? saveGguf(model, place, options) : saveSafetensors(model, place, options));
    const again = await load(place);
    expect(again.config).toEqual({
      ...model.config,
      rotary: {
        ...(model.config as unknown as { rotary: object }).rotary,
        style: format === "gguf" ? "pairs" : "neox",
      },
    });
    if (format === "gguf")
      for (const [index, parameter] of model.parameters.entries())
        expect(valuesOf(again.parameters[index] as never)).toEqual(valuesOf(parameter));
    const lossOf = async (one: Trainable): Promise<number> => {
      const step = new TrainingStep(one, adamW(one.parameters), { sequences: 1, length: tokens.length });
      const { loss } = await step.gradients({ tokens, targets, sequences: 1, length: tokens.length });
      step.close();
      return loss;
    };
    expect(await lossOf(again)).toBeCloseTo(await lossOf(model), 5);
    const tokenizer = await openTokenizer(place);
    expect([...tokenizer.encode("a+b")]).toEqual([...Buffer.from("a+b")]);
    const loaded = await loadModel(place, { device: "cpu", threads: 1 });
    expect(loaded.parameters).toBe(model.count);
    await loaded.close();
    again.close();
    model.close();
    await rm(folder, { recursive: true });
  });
});

describe("new models", () => {
  it("are the same for the same seed, whatever lies beside a weight", () => {
    const [first, same, other] = [tinyRun({ seed: 1 }).model, tinyRun({ seed: 1 }).model, tinyRun({ seed: 2 }).model];
    expect(first.parameters.map(valuesOf)).toEqual(same.parameters.map(valuesOf));
    expect(first.parameters.map(valuesOf)).not.toEqual(other.parameters.map(valuesOf));
    const norm = first.parameters.find(({ name }) => name.endsWith("norm.weight"));
    expect(norm && first.decays(norm)).toBe(false);
    for (const model of [first, same, other]) model.close();
  });

  it("refuse a configuration that is none, and architectures without first weights", () => {
    expect(() => tinyRun({ fields: { "attention.head_count_kv": 3 } })).toThrow(/heads/);
    const nothing = { name: "x", kind: "causal" } as never;
    expect(() => newTrainable(nothing, new Map(), testDevice(1), 1)).toThrow(/from nothing/);
  });
});
