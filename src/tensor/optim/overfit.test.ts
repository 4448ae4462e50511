import { afterAll, describe, expect, it } from "vitest";
import { gradients } from "../autodiff.js";
import { Graph } from "../graph.js";
import { RandomStream } from "../random.js";
import { closeTestDevice, testDevice } from "../reference.case.js";
import { Storage, type TensorSpec } from "../storage.js";
import type { Tensor } from "../tensor.js";
import { adamW } from "./adamw.js";
import { muon } from "./muon.js";
import type { Optimizer } from "./optimizer.js";
import { clipGradients } from "./schedule.js";

/** A whole small transformer must be able to learn eight sequences by heart: the shortest proof that forward, gradients and steps
 *  fit together. */

const [vocabulary, width, heads, layers, sequences, length] = [24, 32, 2, 2, 8, 12];
const headWidth = width / heads;

const specs: TensorSpec[] = [
  { name: "embedding", dtype: "f32", shape: [vocabulary, width] },
  ...Array.from({ length: layers }, (_, layer): TensorSpec[] => [
    { name: `${layer}.norm1`, dtype: "f32", shape: [width] },
    { name: `${layer}.qkv`, dtype: "f32", shape: [3 * width, width] },
    { name: `${layer}.out`, dtype: "f32", shape: [width, width] },
    { name: `${layer}.norm2`, dtype: "f32", shape: [width] },
    { name: `${layer}.gate`, dtype: "f32", shape: [2 * width, width] },
    { name: `${layer}.up`, dtype: "f32", shape: [2 * width, width] },
    { name: `${layer}.down`, dtype: "f32", shape: [width, 2 * width] },
  ]).flat(),
  { name: "norm", dtype: "f32", shape: [width] },
];

function transformer(graph: Graph, w: (name: string) => Tensor, tokens: Tensor): Tensor {
  const forbidden = Float32Array.from({ length: length ** 2 }, (_, i) =>
    i % length > Math.floor(i / length) ? -1e30 : 0,
  );
  const mask = graph.constant(forbidden, [length, length]);
  const positions = graph.constant(Int32Array.from({ length }, (_, i) => i));
  const rope = (x: Tensor) => x.rope(positions, { style: "neox", dims: headWidth, theta: 1e4 });
  let x = graph.use(w("embedding")).getRows(tokens);
  for (let layer = 0; layer < layers; layer++) {
    const normed = x.rmsNorm(1e-5).mul(w(`${layer}.norm1`));
    const qkv = normed.linear(w(`${layer}.qkv`)).reshape(sequences, length, 3 * heads, headWidth);
    const part = (index: number) => qkv.slice(2, index * heads, heads);
    const [q, k] = [rope(part(0)).permute(0, 2, 1, 3), rope(part(1)).permute(0, 2, 1, 3)];
    const v = part(2).permute(0, 2, 1, 3);
    const attention = q
      .linear(k)
      .softmax({ scale: 1 / Math.sqrt(headWidth), mask })
      .matmul(v);
    const joined = attention
      .permute(0, 2, 1, 3)
      .cont()
      .reshape(sequences * length, width);
    x = x.add(joined.linear(w(`${layer}.out`)));
    const wide = x.rmsNorm(1e-5).mul(w(`${layer}.norm2`));
    x = x.add(
      wide
        .linear(w(`${layer}.gate`))
        .swiglu(wide.linear(w(`${layer}.up`)))
        .linear(w(`${layer}.down`)),
    );
  }
  return x.rmsNorm(1e-5).mul(w("norm")).linear(w("embedding"));
}

async function train(
  make: (parameters: readonly Tensor[]) => Optimizer,
  rate: number,
  steps: number,
): Promise<number[]> {
  const device = testDevice(1);
  const storage = Storage.allocate(device, specs);
  const parameters = [...storage.tensors.values()];
  for (const parameter of parameters) {
    const { elements, name, rank } = parameter;
    storage.write(
      parameter,
      rank === 1 ? new Float32Array(elements).fill(1) : new RandomStream(5, name).normalArray(elements, 0.1),
    );
  }
  const graph = new Graph(device);
  const random = new RandomStream(9, "data");
  const text = Int32Array.from({ length: sequences * (length + 1) }, () => random.below(vocabulary));
  const cut = (shift: number) =>
    text.filter((_, i) => (shift === 0 ? i % (length + 1) < length : i % (length + 1) > 0));
  const logits = transformer(graph, (name) => storage.tensor(name), graph.constant(cut(0)));
  const loss = graph.output(logits.crossEntropy(graph.constant(cut(1))));
  const found = gradients(loss, parameters).map((gradient) => graph.output(gradient));
  graph.compile();
  const optimizer = make(parameters);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    await graph.run();
    losses.push(graph.host(loss)[0] ?? Number.NaN);
    const copies = found.map((gradient) => graph.host<Float32Array>(gradient));
    clipGradients(copies, 1);
    await optimizer.step(copies, rate * Math.min(1, (step + 1) / 10));
  }
  graph.close();
  storage.close();
  return losses;
}

afterAll(closeTestDevice);

describe("a two-layer transformer", () => {
  it.each([
    ["adamW", 1e-2, (p: readonly Tensor[]) => adamW(p, { beta2: 0.99, weightDecay: 0 })],
    [
      "muon",
      1e-2,
      (p: readonly Tensor[]) =>
        muon(p, { weightDecay: 0, isMatrix: ({ name }) => name !== "embedding", adamW: { beta2: 0.99 } }),
    ],
  ] as const)("learns eight sequences by heart with %s", async (_name, rate, make) => {
    const losses = await train(make, rate, 150);
    expect(losses[0]).toBeGreaterThan(2);
    expect(losses.at(-1)).toBeLessThan(0.05);
  });
});
