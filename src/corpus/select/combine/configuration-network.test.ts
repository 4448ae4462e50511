import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeSafetensors } from "../../../weights/safetensors-write.js";
import { countWordPieces } from "../../chunk/chunker.case.js";
import { corag } from "../corag.js";
import { embed, makeChunk, memorySource } from "../selector.case.js";
import { configurationRanges, openConfigurationNetwork } from "./configuration-network.js";

const dimensions = 32;
const shapes: [name: string, outputs: number, inputs: number][] = [
  ["question", 512, dimensions],
  ["candidates", 512, dimensions],
  ["joint", 512, 1024],
  ["middle", 256, 512],
  ["last", 128, 256],
  ["kind", 2, 128],
  ["numbers", 3, 128],
];
let folder = "";
const weights = new Map<string, { weight: Float32Array; bias: Float32Array }>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quire-agent-"));
  let state = 7;
  const draw = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32 - 0.5) / 6;
  };
  for (const [name, outputs, inputs] of shapes) {
    weights.set(name, {
      weight: Float32Array.from({ length: outputs * inputs }, draw),
      bias: Float32Array.from({ length: outputs }, draw),
    });
  }
  await write("agent.safetensors", shapes);
  await write("torn.safetensors", shapes.slice(0, 4));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function write(name: string, some: typeof shapes): Promise<void> {
  const tensors = some.flatMap(([layer, outputs, inputs]) => {
    const { weight, bias } = weights.get(layer)!;
    const bytes = (values: Float32Array) => new Uint8Array(values.buffer);
    return [
      { name: `${layer}.weight`, dtype: "f32" as const, shape: [outputs, inputs], data: bytes(weight) },
      { name: `${layer}.bias`, dtype: "f32" as const, shape: [outputs], data: bytes(bias) },
    ];
  });
  await writeSafetensors(join(folder, name), { tensors });
}

it("computes what the layers say, within the ranges", async () => {
  const network = await openConfigurationNetwork(join(folder, "agent.safetensors"));
  const [question, found] = await embed(["which vacuum setting?", "the vacuum setting of the server"]);
  // Plain reference in doubles.
  const layer = (name: string, input: readonly number[]) => {
    const { weight, bias } = weights.get(name)!;
    return [...bias].map((value, row) => input.reduce((sum, x, i) => sum + weight[row * input.length + i]! * x, value));
  };
  const relu = (values: readonly number[]) => values.map((value) => Math.max(0, value));
  const sides = [...relu(layer("question", [...question!])), ...relu(layer("candidates", [...found!]))];
  const last = relu(layer("last", relu(layer("middle", relu(layer("joint", sides))))));
  const [likelihood, coverage] = layer("kind", last) as [number, number];
  const shares = layer("numbers", last).map((share) => Math.min(1, Math.max(0, share)));
  const { exploration, iterations, costWeight, reward } = network.configure(question!, found!);
  expect(reward).toBe(likelihood >= coverage ? "likelihood" : "coverage");
  const place = (share: number, [low, high]: readonly [number, number]) => low + share * (high - low);
  expect(exploration).toBeCloseTo(place(shares[0]!, configurationRanges.exploration), 4);
  expect(Math.abs(iterations - place(shares[1]!, configurationRanges.iterations))).toBeLessThanOrEqual(0.51);
  expect(costWeight).toBeCloseTo(place(shares[2]!, configurationRanges.costWeight), 4);
  expect(() => network.configure(new Float32Array(3), found!)).toThrow(expect.objectContaining({ code: "bad-input" }));
});

it("turns corag's own settings over to the network; without its weights there is none", async () => {
  const chunks = ["vacuum the table", "restart the server", "users and roles"].map((text, i) => makeChunk(text, i));
  const context = { countTokens: countWordPieces, embed };
  const notes: string[] = [];
  const select = (agent: string) =>
    corag({ agent }).select(
      "vacuum?",
      memorySource(chunks),
      { tokens: 20 },
      {
        ...context,
        onNote: ({ text }) => notes.push(text),
      },
    );
  expect((await select(join(folder, "agent.safetensors"))).length).toBeGreaterThan(0);
  expect(notes[0]).toMatch(
    /^The configuration agent chose reward=\w+( \(likelihood cannot be had\))?, c=[\d.]+, iterations=\d+, lambda=[\d.]+/,
  );
  await expect(select(join(folder, "torn.safetensors"))).rejects.toMatchObject({ code: "bad-file" });
  await expect(select(join(folder, "missing.safetensors"))).rejects.toMatchObject({ code: "not-found" });
});
