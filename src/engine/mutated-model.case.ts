import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { full } from "../cache/full.js";
import { autoregressive } from "../decode/autoregressive.js";
import { uniform } from "../decode/sample/random.js";
import { createSampler } from "../decode/sample/sampler.js";
import { isQuireError } from "../errors.js";
import { tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import { byteTokenizer } from "../text/grammar/byte-tokenizer.case.js";
import { Engine } from "./engine.js";
import { loadModel } from "./model.js";

/** Run as a program: damages a small model file in many ways, loads each and generates a few tokens. Whatever happens must be a
 *  typed error or an answer; the parent test looks at how the process ended. Arguments: first seed, number of files. */

const [first = 0, count = 100] = process.argv.slice(2).map(Number);
const outcomes: Record<string, number> = {};

function randomOf(seed: number): () => number {
  let count = 0;
  return () => uniform(seed, count++, "draw");
}

/** Most mutations hit the header, where the meaning is. */
function mutate(original: Uint8Array, random: () => number): Uint8Array {
  const bytes = Uint8Array.from(original);
  const header = Math.min(bytes.length, 4000);
  const kind = random();
  if (kind < 0.1) return bytes.subarray(0, Math.floor(random() * bytes.length));
  const hits = random() < 0.7 ? 1 : 3;
  for (let i = 0; i < hits; i++) {
    const at = Math.floor(random() * (random() < 0.6 ? header : bytes.length));
    if (kind < 0.5) bytes[at] = Math.floor(random() * 256);
    else if (kind < 0.75) bytes[at] = (bytes[at] as number) ^ (1 << Math.floor(random() * 8));
    else new DataView(bytes.buffer).setUint32(Math.min(at, bytes.length - 4), Math.floor(random() * 64), true);
  }
  return bytes;
}

const tokenizer = byteTokenizer();
const architectures = ["llama", "qwen2", "qwen3", "gemma3"] as const;
const originals = await Promise.all(
  architectures.map(async (architecture) => {
    const { path: file } = await writeTinyModel(tinyShape(architecture, tokenizer.vocabSize));
    return { file, bytes: await readFile(file) };
  }),
);

for (let seed = first; seed < first + count; seed++) {
  const { file, bytes } = originals[seed % originals.length] as (typeof originals)[number];
  const damaged = path.join(path.dirname(file), `damaged-${seed}.gguf`);
  await writeFile(damaged, mutate(bytes, randomOf(seed)));
  let outcome = "answer";
  try {
    const model = await loadModel(damaged, { device: "cpu", threads: 1 });
    try {
      const engine = new Engine(model, tokenizer, { contextTokens: Math.min(64, model.config.maxPositions) });
      const sequence = engine.start({
        prompt: tokenizer.encode("hello"),
        decoder: autoregressive(),
        policy: full(),
        sampler: createSampler(),
        maxTokens: 4,
        ignoreEnd: true,
      });
      for await (const _ of sequence.pieces);
      await engine.close();
    } finally {
      await model.close();
    }
  } catch (error) {
    if (!isQuireError(error)) {
      console.error(`seed ${seed}:`, error);
      process.exit(1);
    }
    outcome = error.code;
  }
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
}
console.log(JSON.stringify({ outcomes, rssMb: Math.round(process.memoryUsage().rss / 2 ** 20) }));
