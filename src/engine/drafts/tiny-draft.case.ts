import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TinyDraftConfig, tinyDraft, tinyDraftMetadata } from "../../models/tiny-draft.js";
import { RandomSource } from "../../tensor/random-source.case.js";
import { elements } from "../../tensor/shape.js";
import { writeGguf } from "../../weights/gguf-write.js";
import type { WeightFile } from "../../weights/weight-file.js";

/** A tiny draft with random weights, as a file. */
export async function writeTinyDraft(config: TinyDraftConfig, seed = 1): Promise<string> {
  const file = path.join(await mkdtemp(path.join(tmpdir(), "quire-draft-")), "draft.gguf");
  const source = new RandomSource(seed);
  const own = tinyDraft.weights(config, {} as WeightFile).filter(({ name }) => !name.startsWith("target_"));
  await writeGguf(file, {
    metadata: tinyDraftMetadata(config),
    tensors: own.map(({ name, shape, use }) => {
      const scale = use === "vector" ? 0.1 : 1 / Math.sqrt(shape.at(-1) ?? 1);
      const values = source.array(elements(shape)).map((value) => scale * value + (use === "vector" ? 1 : 0));
      return {
        ...{ name, shape, dtype: "f32" as const },
        data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
      };
    }),
  });
  return file;
}
