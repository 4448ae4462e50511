import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { runCli, temporaryFolder } from "./run-cli.case.js";

/** `quire train` from outside: a model is trained, stopped with Ctrl-C, gone on with, and answers in `quire complete`. */

const env = { QUIRE_THREADS: "1", QUIRE_OFFLINE: "1" };

function recipe(change: object = {}): string {
  return `/** A sentence that a small model learns by heart. */
export default ${JSON.stringify({
    name: "small",
    model: { architecture: "llama", hiddenSize: 48, layers: 2, heads: 4, context: 64 },
    data: { text: ["sentence.txt"] },
    batch: { sequences: 8, length: 24 },
    steps: 150,
    optimizer: { name: "adamw", learningRate: 1e-2, weightDecay: 0 },
    evaluateEvery: 50,
    checkpointSeconds: 0.05,
    ...change,
  })};\n`;
}

async function written(change: object = {}): Promise<{ folder: string; file: string }> {
  const folder = await temporaryFolder();
  const file = path.join(folder, "small.ts");
  await writeFile(file, recipe(change));
  await writeFile(path.join(folder, "sentence.txt"), "the quick brown fox jumps over the lazy dog; ".repeat(60));
  return { folder, file };
}

test("stopped and gone on with, it comes to the same model as in one go, and that model answers", {
  timeout: 120_000,
}, async () => {
  const { folder, file } = await written();
  const whole = await runCli(["train", file, "--json", "--out", "whole"], { cwd: folder, env });
  expect(whole.stderr).toBe("");
  const result = JSON.parse(whole.stdout);
  expect(result).toMatchObject({ name: "small", model: "whole/model.gguf", steps: 150, ended: "finished" });
  expect(result.evaluation.loss).toBeLessThan(0.1);

  const halved = path.join(folder, "halves", "checkpoint.safetensors");
  const train = ["train", file, "--json", "--out", "halves"];
  const stopped = await runCli(train, {
    cwd: folder,
    env,
    during: (child) => {
      const look = setInterval(() => {
        if (existsSync(halved)) child.kill("SIGINT");
      }, 5);
      child.once("close", () => clearInterval(look));
    },
  });
  // A second signal, if it came to that, ends it at once: what lies on disk is enough either way.
  expect(stopped.code).toBe(130);
  const again = await runCli(train, { cwd: folder, env });
  expect(again.code).toBe(2);
  expect(JSON.parse(again.stdout).error.message).toMatch(/holds a run already/);
  const on = await runCli([...train, "--resume"], { cwd: folder, env });
  expect(on.code).toBe(0);
  expect(await readFile(path.join(folder, "halves/model.gguf"))).toEqual(
    await readFile(path.join(folder, "whole/model.gguf")),
  );

  const curve = JSON.parse(await readFile(path.join(folder, "whole/curve.json"), "utf8"));
  expect(curve.points).toHaveLength(150);
  expect(curve.evaluations.map(({ step }: { step: number }) => step)).toEqual([50, 100, 150]);
  expect(await readFile(path.join(folder, "whole/curve.svg"), "utf8")).toMatch(/^<svg .*<polyline/s);

  const said = await runCli(
    ["complete", "the quick brown f", "--model", "whole/model.gguf", "--max-tokens", "12", "--json"],
    { cwd: folder, env },
  );
  expect(JSON.parse(said.stdout)).toMatchObject({ text: "ox jumps ove" });
});

test("a folder of safetensors answers too, and the terminal shows the curve", { timeout: 60_000 }, async () => {
  const { folder, file } = await written({ save: "safetensors", steps: 100 });
  const { code, stdout } = await runCli(["train", file], { cwd: folder, env });
  expect(code).toBe(0);
  expect(stdout).toMatch(/┤[\u2800-\u28ff]/);
  expect(stdout).toContain("Model: runs/small/model ");
  const said = await runCli(
    ["complete", "over the la", "--model", "./runs/small/model", "--max-tokens", "6", "--json"],
    { cwd: folder, env },
  );
  expect(JSON.parse(said.stdout)).toMatchObject({ text: "zy dog" });
});

test.each([
  ["an unknown key", { stepz: 3 }, [], /has no "stepz"/],
  ["a text that is too short", { batch: { sequences: 1, length: 5000 } }, [], /shorter than one sequence/],
  ["nothing to go on from", {}, ["--resume"], /holds no checkpoint/],
  [
    "an architecture that is none",
    { model: { architecture: "x", hiddenSize: 8, layers: 1, heads: 1 } },
    [],
    /not supported/,
  ],
])("refused with 2: %s", async (_what, change, flags, message) => {
  const { folder, file } = await written(change);
  const { code, stdout } = await runCli(["train", file, "--json", ...flags], { cwd: folder, env });
  expect(code).toBe(2);
  expect(JSON.parse(stdout).error.message).toMatch(message);
});

test("a recipe that is missing, none, or no module is refused with 2", async () => {
  const { folder } = await written();
  await writeFile(path.join(folder, "none.mjs"), "export const recipe = {};");
  await writeFile(path.join(folder, "broken.mjs"), "export default {");
  for (const [file, message] of [
    ["missing.ts", /cannot be read/],
    ["none.mjs", /no recipe/],
    ["broken.mjs", /cannot be used/],
  ] as const) {
    const { code, stdout } = await runCli(["train", file, "--json"], { cwd: folder, env });
    expect(code).toBe(2);
    expect(JSON.parse(stdout).error.message).toMatch(message);
  }
});
