import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { llama } from "../models/llama.js";
import { openLocalEngine } from "../server/engine/local-engine.js";
import { RandomStream } from "../tensor/random.js";
import { closeTestDevice, testDevice } from "../tensor/reference.case.js";
import { byteVocabulary, vocabularyMetadata } from "../text/small-vocabulary.js";
import { loadLora } from "../train/lora.js";
import { saveGguf } from "../train/save-model.js";
import { newTrainable } from "../train/trainable.js";
import { openWeightFile } from "../weights/open-weight-file.js";
import { adaptersOf } from "./adapter-flags.js";
import { runCli } from "./run-cli.case.js";

const seconds = 120_000;
let folder: string;
let model: string;

/** A small model that writes bytes, and two adapters that change what it writes. */
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "quire-adapter-"));
  model = path.join(folder, "tiny.gguf");
  const fields = {
    vocab_size: 257,
    embedding_length: 32,
    block_count: 2,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
    feed_forward_length: 48,
    context_length: 256,
    "attention.layer_norm_rms_epsilon": 1e-5,
  };
  const vocabulary = byteVocabulary();
  const known = vocabularyMetadata(vocabulary).get("tokenizer.ggml.tokens") as readonly string[];
  const made = newTrainable(
    llama as never,
    new Map(Object.entries({ ...fields, vocab_size: known.length })),
    testDevice(1),
    3,
  );
  await saveGguf(made, model, { name: "tiny", vocabulary });
  made.close();
  for (const name of ["law", "prose"]) {
    const file = await openWeightFile(model);
    const lora = await loadLora(file, testDevice(1), { rank: 2, targets: ["q_proj", "o_proj", "down_proj"] });
    await file.close();
    const random = new RandomStream(11, name);
    const changed = [...lora.matrices()].map(
      ([weight, { rank, a, b }]) => [weight, { rank, a, b: random.normalArray(b.length, 0.5) }] as const,
    );
    lora.load(new Map(changed));
    await lora.save(path.join(folder, name), "tiny");
    lora.close();
  }
}, seconds);

afterAll(async () => {
  await closeTestDevice();
  await rm(folder, { recursive: true, force: true });
});

const env = { QUIRE_THREADS: "1" };
const write = (more: readonly string[]) =>
  runCli(["complete", "Once ", "--max-tokens", "12", "--temperature", "0", "--json", ...more], { env, cwd: folder });
const tokensOf = ({ stdout, stderr }: { stdout: string; stderr: string }): string => {
  const result = JSON.parse(stdout) as { text?: string };
  if (result.text === undefined) throw new Error(stdout + stderr);
  return result.text;
};

describe("adapters from the command line", () => {
  it(
    "change what is written as the model that they were merged into does",
    async () => {
      const merged = path.join(folder, "merged.gguf");
      const into = ["models", "merge", model, path.join(folder, "law"), merged, "--json"];
      const made = await runCli(into, { env });
      expect(made.code, made.stdout + made.stderr).toBe(0);
      expect(JSON.parse(made.stdout)).toMatchObject({ model: merged, changed: 6 });
      const [plain, adapted, alone] = [
        tokensOf(await write(["--model", model])),
        tokensOf(await write(["--model", model, "--adapter", "law", "--adapter", "prose"])),
        tokensOf(await write(["--model", merged])),
      ];
      expect(adapted).toBe(alone);
      expect(adapted).not.toBe(plain);
      const again = await runCli(into, { env });
      expect(again.code).toBe(2);
    },
    seconds,
  );

  it(
    "are refused, with what is wrong, before anything is written",
    async () => {
      const other = path.join(folder, "other");
      await mkdir(other, { recursive: true });
      const config = JSON.parse(await readFile(path.join(folder, "law", "adapter_config.json"), "utf8")) as object;
      await writeFile(path.join(other, "adapter_config.json"), JSON.stringify({ ...config, r: 3 }));
      await writeFile(
        path.join(other, "adapter_model.safetensors"),
        await readFile(path.join(folder, "law", "adapter_model.safetensors")),
      );
      const ran = await write(["--model", model, "--adapter", other]);
      expect(ran.code).toBe(2);
      expect(ran.stdout + ran.stderr).toContain("another model");
    },
    seconds,
  );

  it("are called by their folders, or as they are told", () => {
    expect(adaptersOf({})).toEqual({});
    const file = path.join("runs", "law", "adapter_model.safetensors");
    expect(adaptersOf({ adapter: ["./runs/prose", file, "b=x=y"] })).toEqual({
      prose: "./runs/prose",
      law: file,
      b: "x=y",
    });
    expect(() => adaptersOf({ adapter: ["a/x", "b/x"] })).toThrow(expect.objectContaining({ code: "bad-option" }));
  });
});

describe("adapters of a server's engine", () => {
  it(
    "are those that the operator named, and no files",
    async () => {
      const adapters = { law: path.join(folder, "law"), prose: path.join(folder, "prose") };
      const engine = await openLocalEngine({ model, adapters, embedder: "none", device: "cpu", threads: 1 });
      const answer = async (adapter?: string): Promise<string> => {
        const prompt = Int32Array.from([40, 50, 60, 70]);
        const options = { maxTokens: 12, temperature: 0, ignoreEnd: true, adapter };
        let text = "";
        for await (const piece of engine.generate({ id: String(adapter), user: "", prompt, options }))
          text += piece.text;
        return text;
      };
      const texts = [await answer(), await answer("law"), await answer("prose")];
      expect(new Set(texts).size).toBe(3);
      expect(await Promise.all([answer(), answer("law"), answer("prose")])).toEqual(texts);
      await expect(answer(path.join(folder, "law"))).rejects.toMatchObject({ code: "not-found" });
      await engine.close();
    },
    seconds,
  );
});
