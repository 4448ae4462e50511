import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { openSafetensors } from "../../src/weights/safetensors.js";
import { writeOnnxBert } from "./onnx-model.js";

/** The rival: @huggingface/transformers, which computes with onnxruntime, on the same weights in f32. */

export interface RivalEmbedder {
  readonly version: string;
  embed(texts: readonly string[]): Promise<Float32Array[]>;
  close(): Promise<void>;
}

interface Transformers {
  readonly env: { allowRemoteModels: boolean; localModelPath: string; version: string };
  pipeline(task: "feature-extraction", model: string, options: Record<string, unknown>): Promise<Extractor>;
}

interface Extractor {
  (texts: string[], options: { pooling: "mean"; normalize: boolean }): Promise<{ data: Float32Array; dims: number[] }>;
  dispose(): Promise<void>;
}

export async function openTransformersJs(
  folder: string,
  { threads, batch, maxTokens }: { threads: number; batch: number; maxTokens: number },
): Promise<RivalEmbedder> {
  const { env, pipeline } = await load();
  const root = await mkdtemp(join(tmpdir(), "quire-bench-onnx-"));
  try {
    await mkdir(join(root, "model", "onnx"), { recursive: true });
    for (const name of ["config.json", "tokenizer.json"]) await copyFile(join(folder, name), join(root, "model", name));
    const settings = JSON.parse(await readFile(join(folder, "tokenizer_config.json"), "utf8")) as object;
    const cut = JSON.stringify({ ...settings, model_max_length: maxTokens });
    await writeFile(join(root, "model", "tokenizer_config.json"), cut);
    const file = await openSafetensors(folder);
    await writeOnnxBert(file, join(root, "model", "onnx", "model.onnx"));
    await file.close();
    env.allowRemoteModels = false;
    env.localModelPath = root;
    const extractor = await pipeline("feature-extraction", "model", {
      dtype: "fp32",
      device: "cpu",
      session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
    });
    return {
      version: env.version,
      embed: async (texts) => {
        const vectors: Float32Array[] = [];
        for (let start = 0; start < texts.length; start += batch) {
          const { data, dims } = await extractor(texts.slice(start, start + batch), {
            pooling: "mean",
            normalize: true,
          });
          const width = dims.at(-1) ?? 0;
          for (let at = 0; at < data.length; at += width) vectors.push(data.slice(at, at + width));
        }
        return vectors;
      },
      close: () => extractor.dispose(),
    };
  } finally {
    await rm(root, { recursive: true });
  }
}

async function load(): Promise<Transformers> {
  const installed = createRequire(new URL("../package.json", import.meta.url));
  const loaded = (await import(pathToFileURL(installed.resolve("@huggingface/transformers")).href)) as
    | Transformers
    | { default: Transformers };
  return "default" in loaded ? loaded.default : loaded;
}
