import { afterAll, describe, expect, it } from "vitest";
import { tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import { type DType, dtypes, rowBytes } from "../tensor/dtype.js";
import { ggml } from "../tensor/ffi/ggml.js";
import { adamW } from "../tensor/optim/adamw.js";
import { RandomStream } from "../tensor/random.js";
import { closeTestDevice, testDevice } from "../tensor/reference.case.js";
import { readAsFloat32 } from "../weights/dequantise.js";
import { openGguf } from "../weights/gguf.js";
import { writeGguf } from "../weights/gguf-write.js";
import { openWeightFile } from "../weights/open-weight-file.js";
import { ChunkedGradients } from "./chunked/gradients.js";
import { everyChunk } from "./chunked/sampling.js";
import { type LoraModel, type LoraOptions, loadLora } from "./lora.js";
import { TrainingStep, totalWeight } from "./training-step.js";

afterAll(closeTestDevice);

const [sequences, length] = [2, 20];

async function tinyLora(options: LoraOptions = {}): Promise<LoraModel> {
  const model = await writeTinyModel(tinyShape("llama"));
  const file = await openWeightFile(model.path);
  const lora = await loadLora(file, testDevice(1), options);
  await file.close();
  return lora;
}

function randomise(model: LoraModel): void {
  const random = new RandomStream(4, "adapter");
  const values = new Map(
    [...model.matrices()].map(([name, { rank, a, b }]) => [
      name,
      { rank, a: random.normalArray(a.length, 0.3), b: random.normalArray(b.length, 0.3) },
    ]),
  );
  model.load(values);
}

function randomBatch() {
  const random = new RandomStream(5, "text");
  const list = () => Int32Array.from({ length: sequences * length }, () => random.below(300));
  return { tokens: list(), targets: list(), sequences, length };
}

describe("LoRA", () => {
  it("changes nothing at first, and its gradients are those of central differences", async () => {
    const model = await tinyLora({ rank: 2, targets: ["q_proj", "v_proj", "down_proj", "gate_proj"] });
    const batch = randomBatch();
    const step = new TrainingStep(model, adamW(model.parameters), { sequences, length });
    randomise(model);
    const { gradients } = await step.gradients(batch);
    const found = gradients.map((gradient) => gradient.slice());
    const matrices = model.matrices();
    for (const [index, name] of [...matrices.keys()].entries()) {
      for (const half of ["a", "b"] as const) {
        const gradient = found[2 * index + (half === "a" ? 0 : 1)] as Float32Array;
        const at = gradient.length >> 1;
        const lossAt = async (change: number): Promise<number> => {
          const moved = model.matrices();
          const values = moved.get(name)?.[half] as Float32Array;
          values[at] = (values[at] as number) + change;
          model.load(moved);
          const { loss } = await step.gradients(batch);
          model.load(matrices);
          return loss;
        };
        const slope = ((await lossAt(0.02)) - (await lossAt(-0.02))) / 0.04;
        expect(Math.abs(slope - (gradient[at] as number))).toBeLessThan(2e-4 + 0.02 * Math.abs(slope));
      }
    }
    step.close();
    model.close();
  });

  it("is learnt chunk by chunk as it is whole", async () => {
    const model = await tinyLora();
    randomise(model);
    const batch = randomBatch();
    const step = new TrainingStep(model, adamW(model.parameters), { sequences, length });
    const full = await step.gradients(batch);
    const chunked = new ChunkedGradients(model, { chunkSize: 6, choose: ({ chunks }) => everyChunk(chunks) });
    const found = await chunked.run(batch, totalWeight(batch));
    expect(found.loss).toBeCloseTo(full.loss, 5);
    for (const [index, gradient] of full.gradients.entries()) {
      const size = Math.hypot(...gradient);
      const apart = Math.hypot(...gradient.map((value, i) => value - (found.gradients[index]?.[i] ?? Number.NaN)));
      expect(apart / size).toBeLessThan(1e-5);
    }
    for (const one of [chunked, step, model]) one.close();
  });

  it("reaches through quantised weights, by what they stand for", async () => {
    const tiny = await writeTinyModel({ ...tinyShape("llama"), inner: 64 });
    const quantised = await requantise(tiny.path, "q8_0");
    const plain = await requantise(quantised, "f32");
    const batch = randomBatch();
    const gradientsOf = async (path: string, options: LoraOptions = {}): Promise<Float32Array[]> => {
      const file = await openWeightFile(path);
      const model = await loadLora(file, testDevice(1), { targets: ["q_proj", "v_proj", "up_proj"], ...options });
      await file.close();
      randomise(model);
      const step = new TrainingStep(model, adamW(model.parameters), { sequences, length });
      const found = (await step.gradients(batch)).gradients.map((gradient) => gradient.slice());
      step.close();
      model.close();
      return found;
    };
    const expected = await gradientsOf(plain);
    for (const backwardType of [undefined, "f32"] as const) {
      const found = await gradientsOf(quantised, { backwardType });
      for (const [index, gradient] of expected.entries()) {
        const own = found[index] as Float32Array;
        const apart = Math.hypot(...gradient.map((value, i) => value - (own[i] as number)));
        // Activations are rounded to 8 bits beside 8-bit weights.
        expect(apart / Math.hypot(...gradient)).toBeLessThan(0.05);
      }
    }
  });

  it("goes on from matrices learnt before, and refuses others", async () => {
    const model = await tinyLora({ rank: 2 });
    randomise(model);
    const learnt = model.matrices();
    const again = await tinyLora({ rank: 2, seed: 8 });
    again.load(learnt);
    expect(again.matrices()).toEqual(learnt);
    const wider = await tinyLora({ rank: 3 });
    expect(() => wider.load(learnt)).toThrow(expect.objectContaining({ code: "bad-input" }));
    for (const one of [model, again, wider]) one.close();
  });

  it("refuses targets that are not there and numbers that cannot be", async () => {
    await expect(tinyLora({ targets: ["q_prj"] })).rejects.toMatchObject({
      code: "bad-option",
      expected: expect.stringContaining("q_proj"),
    });
    for (const options of [{ rank: 0 }, { rank: 1.5 }, { alpha: 0 }, { alpha: Number.NaN }])
      await expect(tinyLora(options)).rejects.toMatchObject({ code: "bad-option" });
  });
});

/** The same model with all matrices in another type. */
async function requantise(path: string, dtype: DType): Promise<string> {
  const file = await openGguf(path);
  const tensors = [];
  for (const entry of file.tensors.values()) {
    const { name, shape } = entry;
    const values = await readAsFloat32(file, entry, testDevice(1));
    const own = shape.length === 2 ? dtype : entry.dtype;
    const [rows, width] = [values.length / (shape.at(-1) ?? 1), shape.at(-1) ?? 1];
    const data = new Uint8Array(rows * rowBytes(own, width));
    ggml().ggml_quantize_chunk(dtypes[own].id, values, data, 0, rows, width, null);
    tensors.push({ name, shape, dtype: own, data });
  }
  const out = path.replace(/\.gguf$/, `-${dtype}.gguf`);
  await writeGguf(out, { metadata: file.metadata, metadataTypes: file.metadataTypes, tensors });
  await file.close();
  return out;
}
