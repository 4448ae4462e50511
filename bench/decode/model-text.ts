import { architectureOf } from "../../src/models/registry.js";
import { ggufTokenizer } from "../../src/text/gguf-tokenizer.js";
import type { Tokenizer } from "../../src/text/tokenizer.js";
import { openWeightFile } from "../../src/weights/open-weight-file.js";

/** A model file's tokenizer, and the bytes that have to be read for one token. */

export interface ModelText {
  readonly tokenizer: Tokenizer;
  /** All weights that a token multiplies: a table of embeddings counts only where it is the output head too. */
  readonly weightBytes: number;
  /** Keys and values of one token in f16. */
  readonly cacheBytesPerToken: number;
}

export async function modelText(path: string): Promise<ModelText> {
  const file = await openWeightFile(path);
  try {
    const hasOwnHead = file.tensors.has("output.weight");
    let weightBytes = 0;
    for (const [name, { sizeBytes }] of file.tensors) {
      if (name !== "token_embd.weight" || !hasOwnHead) weightBytes += sizeBytes;
    }
    const { numLayers, numKvHeads, headDim } = architectureOf(file).readConfig(file);
    return {
      tokenizer: ggufTokenizer(file.metadata),
      weightBytes,
      cacheBytesPerToken: numLayers * numKvHeads * headDim * 2 * 2,
    };
  } finally {
    await file.close();
  }
}
