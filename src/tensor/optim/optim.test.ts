import { afterAll, describe, expect, it } from "vitest";
import { RandomStream } from "../random.js";
import { closeTestDevice, expectClose, testDevice } from "../reference.case.js";
import { Storage } from "../storage.js";
import { adamW } from "./adamw.js";
import { muon } from "./muon.js";
import type { Optimizer } from "./optimizer.js";
import { clipGradients, cosineSchedule, plateauSchedule } from "./schedule.js";
import { sgd } from "./sgd.js";

afterAll(closeTestDevice);

function storeOf(shapes: Record<string, number[]>) {
  const specs = Object.entries(shapes).map(([name, shape]) => ({ name, dtype: "f32" as const, shape }));
  const storage = Storage.allocate(testDevice(1), specs);
  const parameters = [...storage.tensors.values()];
  for (const parameter of parameters)
    storage.write(parameter, new RandomStream(1, parameter.name).normalArray(parameter.elements));
  const values = (index: number) => {
    const parameter = parameters[index]!;
    const into = new Float32Array(parameter.elements);
    storage.read(parameter, into);
    return [...into];
  };
  return { storage, parameters, values };
}

const gradientsOf = (parameters: readonly { elements: number }[], step: number) =>
  parameters.map(({ elements }, index) => new RandomStream(step, index).normalArray(elements, 2));

describe("adamW", () => {
  it("makes the steps of the formula", async () => {
    const { storage, parameters, values } = storeOf({ matrix: [3, 4], bias: [5] });
    const [beta1, beta2, epsilon, decay, rate] = [0.8, 0.95, 1e-6, 0.1, 0.05];
    const optimizer = adamW(parameters, { beta1, beta2, epsilon, weightDecay: decay });
    const wanted = parameters.map((_, index) => values(index));
    const m = wanted.map((v) => v.map(() => 0));
    const v = wanted.map((w) => w.map(() => 0));
    for (let t = 1; t <= 5; t++) {
      const gradients = gradientsOf(parameters, t);
      await optimizer.step(gradients, rate);
      for (const [p, weights] of wanted.entries()) {
        for (const [i, w] of weights.entries()) {
          const g = gradients[p]![i]!;
          m[p]![i] = beta1 * m[p]![i]! + (1 - beta1) * g;
          v[p]![i] = beta2 * v[p]![i]! + (1 - beta2) * g * g;
          const [mHat, vHat] = [m[p]![i]! / (1 - beta1 ** t), v[p]![i]! / (1 - beta2 ** t)];
          weights[i] = w - rate * (mHat / (Math.sqrt(vHat) + epsilon) + (p === 0 ? decay * w : 0));
        }
      }
    }
    for (const index of [0, 1]) expectClose(values(index), wanted[index]!, 1e-5);
    storage.close();
  });
});

describe("sgd", () => {
  it.each([
    { momentum: 0, nesterov: false },
    { momentum: 0.9, nesterov: false },
    { momentum: 0.9, nesterov: true },
  ])("makes the steps of the formula: %o", async ({ momentum, nesterov }) => {
    const { storage, parameters, values } = storeOf({ w: [2, 3] });
    const optimizer = sgd(parameters, { momentum, nesterov, weightDecay: 0.1 });
    const wanted = values(0);
    const speed = wanted.map(() => 0);
    for (let t = 1; t <= 4; t++) {
      const gradients = gradientsOf(parameters, t);
      await optimizer.step(gradients, 0.1);
      for (const [i, w] of wanted.entries()) {
        const g = gradients[0]![i]!;
        speed[i] = momentum * speed[i]! + g;
        const move = momentum === 0 ? g : nesterov ? g + momentum * speed[i]! : speed[i]!;
        wanted[i] = w - 0.1 * (move + 0.1 * w);
      }
    }
    expectClose(values(0), wanted, 1e-5);
    storage.close();
  });
});

describe("muon", () => {
  it("moves all directions of a matrix alike", async () => {
    for (const [rows, columns] of [
      [4, 6],
      [6, 4],
      [5, 5],
    ] as const) {
      const { storage, parameters, values } = storeOf({ w: [rows, columns] });
      const optimizer = muon(parameters, { weightDecay: 0, nesterov: false });
      const before = values(0);
      await optimizer.step(gradientsOf(parameters, 1), 1);
      const scale = 0.2 * Math.sqrt(Math.max(rows, columns));
      const move = values(0).map((value, i) => ((before[i] ?? 0) - value) / scale);
      // M·Mᵀ of a matrix with orthogonal rows (or Mᵀ·M, if it is tall) is near the identity: its eigenvalues lie near 1.
      const inner = Math.min(rows, columns);
      const at = (i: number, k: number) => (rows <= columns ? move[i * columns + k] : move[k * columns + i]) ?? 0;
      let trace = 0;
      let squares = 0;
      for (let i = 0; i < inner; i++) {
        for (let j = 0; j < inner; j++) {
          let dot = 0;
          for (let k = 0; k < Math.max(rows, columns); k++) dot += at(i, k) * at(j, k);
          if (i === j) trace += dot;
          squares += dot * dot;
        }
      }
      const mean = trace / inner;
      expect(mean).toBeGreaterThan(0.6);
      expect(mean).toBeLessThan(1.3);
      // Spread of the squared singular values: a random matrix of this size has several times as much.
      expect(squares / inner - mean * mean).toBeLessThan(0.15);
      optimizer.close();
      storage.close();
    }
  });

  it("leaves vectors to AdamW", async () => {
    const one = storeOf({ w: [3, 3], b: [4] });
    const two = storeOf({ b: [4] });
    const optimizer = muon(one.parameters);
    const plain = adamW(two.parameters);
    for (let t = 1; t <= 3; t++) {
      const gradients = gradientsOf(one.parameters, t);
      await optimizer.step(gradients, 0.1);
      await plain.step(gradients.slice(1), 0.1);
    }
    expect(one.values(1)).toEqual(two.values(0));
    optimizer.close();
    one.storage.close();
    two.storage.close();
  });
});

describe("all optimisers", () => {
  const makers: [string, (parameters: Parameters<typeof sgd>[0]) => Optimizer][] = [
    ["adamW", (parameters) => adamW(parameters)],
    ["sgd", (parameters) => sgd(parameters, { momentum: 0.9 })],
    ["muon", (parameters) => muon(parameters)],
  ];

  it.each(makers)("%s goes on after save and load as if nothing had happened", async (_name, make) => {
    const straight = storeOf({ w: [3, 4], b: [4] });
    const resumed = storeOf({ w: [3, 4], b: [4] });
    const [a, first] = [make(straight.parameters), make(resumed.parameters)];
    for (let t = 1; t <= 2; t++)
      for (const optimizer of [a, first]) await optimizer.step(gradientsOf(straight.parameters, t), 0.1);
    const second = make(resumed.parameters);
    second.load(first.save());
    for (const optimizer of [a, second]) await optimizer.step(gradientsOf(straight.parameters, 3), 0.1);
    expect(second.steps).toBe(3);
    for (const index of [0, 1]) expect(resumed.values(index)).toEqual(straight.values(index));
    straight.storage.close();
    resumed.storage.close();
  });

  it.each(makers)("%s refuses what does not fit", async (_name, make) => {
    const { storage, parameters } = storeOf({ w: [3, 4] });
    const optimizer = make(parameters);
    await expect(optimizer.step([new Float32Array(11)], 0.1)).rejects.toThrow(/do not fit/);
    await expect(optimizer.step([new Float32Array(12)], Number.NaN)).rejects.toThrow(/learning rate/);
    expect(() => optimizer.load({ steps: 1, moments: { x: new Float32Array(1) } })).toThrow(/moments do not fit/);
    expect(optimizer.steps).toBe(0);
    storage.close();
    await expect(optimizer.step([new Float32Array(12)], 0.1)).rejects.toThrow(/freed/);
  });
});

describe("schedules and clipping", () => {
  it("cosine and plateau", () => {
    const cosine = cosineSchedule({ peak: 1, warmup: 4, total: 12, floor: 0.1 });
    expect([0, 3, 4, 8, 12, 99].map(cosine)).toEqual([
      0.25,
      1,
      1,
      expect.closeTo(0.55),
      expect.closeTo(0.1),
      expect.closeTo(0.1),
    ]);
    const plateau = plateauSchedule({ peak: 2, warmup: 2, total: 10, decay: 4 });
    expect([0, 1, 5, 6, 8, 10, 11].map(plateau)).toEqual([1, 2, 2, 2, 1, 0, 0]);
    expect(() => cosineSchedule({ peak: 1, warmup: 5, total: 4 })).toThrow(/shorter/);
  });

  it("clips the common norm, and leaves infinite gradients alone", () => {
    const gradients = [Float32Array.of(3, 0), Float32Array.of(4)];
    expect(clipGradients(gradients, 10)).toBe(5);
    expect(clipGradients(gradients, 1)).toBe(5);
    expect(gradients.flatMap((g) => [...g])).toEqual([expect.closeTo(0.6), 0, expect.closeTo(0.8)]);
    const broken = [Float32Array.of(Number.NaN, 1)];
    expect(clipGradients(broken, 0.1)).toBeNaN();
    expect(broken[0]?.[1]).toBe(1);
  });
});
