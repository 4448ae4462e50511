import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadModel } from "../engine/model.js";
import { RandomStream } from "../tensor/random.js";
import { closeTestDevice, testDevice } from "../tensor/reference.case.js";
import type { Storage } from "../tensor/storage.js";
import { byteVocabulary } from "../text/small-vocabulary.js";
import { saveGguf, saveSafetensors } from "../train/save-model.js";
import { newTrainable } from "../train/trainable.js";
import { TrainingPass } from "../train/training-pass.js";
import type { MetadataValue } from "../weights/weight-file.js";
import { mor } from "./mor.js";
import { logSumExp } from "./plain-numbers.case.js";
import { runPasses } from "./run-passes.case.js";
import { universalTransformer } from "./universal-transformer.js";

/** What training says of a text is what the saved model says of it when it is opened and served. */

afterAll(closeTestDevice);

const base: Record<string, MetadataValue> = {
  vocab_size: 257,
  embedding_length: 16,
  "attention.head_count": 2,
  "attention.head_count_kv": 2,
  feed_forward_length: 24,
  context_length: 128,
  "attention.layer_norm_rms_epsilon": 1e-5,
  "rope.freq_base": 10_000,
};
const recursions = { ...base, block_count: 5, recursions: 3 };
const cases: [string, unknown, Record<string, MetadataValue>][] = [
  ["universal transformer, fixed", universalTransformer, { ...base, block_count: 3 }],
  ["universal transformer, freezing", universalTransformer, { ...base, block_count: 4, "halting.halted": "freeze" }],
  ["mor, token choice", mor, { ...recursions, "router.kind": "token", kv: "recursion" }],
  ["mor, token choice, shared entries", mor, { ...recursions, "router.kind": "token" }],
  ["mor, no router", mor, { ...recursions, "router.kind": "none" }],
];

describe("trained and served", () => {
  it.each(cases)("%s", async (_, architecture, fields) => {
    const trainable = newTrainable(architecture as never, new Map(Object.entries(fields)), testDevice(1), 5);
    // New routers and stops decide alike everywhere.
    for (const parameter of trainable.parameters.filter(({ name }) => /^(halt|router)/.test(name)))
      (parameter.owner as Storage).write(parameter, new RandomStream(6, "router").normalArray(parameter.elements, 1));
    const random = new RandomStream(1, "text");
    const text = Array.from({ length: 25 }, () => random.below(256));
    const pass = new TrainingPass(trainable, { sequences: 1, length: 24, evaluates: true });
    const batch = { tokens: Int32Array.from(text.slice(0, 24)), targets: Int32Array.from(text.slice(1)) };
    const { loss } = await pass.run({ ...batch, sequences: 1, length: 24 }, { targetScale: 1 / 24, share: 1 });
    pass.close();
    const folder = await mkdtemp(path.join(tmpdir(), "quire-saved-"));
    const options = { name: "test", vocabulary: byteVocabulary() };
    await saveGguf(trainable, path.join(folder, "model.gguf"), options);
    await saveSafetensors(trainable, path.join(folder, "model"), options);
    trainable.close();
    for (const file of ["model.gguf", "model"]) {
      const model = await loadModel(path.join(folder, file), { device: "cpu", threads: 1 });
      const { logits, depths } = await runPasses(model, [text.slice(0, 24)], 7);
      const losses = (logits[0] ?? []).map((row, at) => logSumExp(Array.from(row)) - (row[text[at + 1] ?? 0] ?? 0));
      expect(losses.reduce((sum, value) => sum + value, 0) / 24).toBeCloseTo(loss, 5);
      if (model.architecture.stages?.(model.config) !== undefined) expect(new Set(depths[0]).size).toBeGreaterThan(1);
      await model.close();
    }
  });
});
