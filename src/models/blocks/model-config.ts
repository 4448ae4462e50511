import { QuireError } from "../../errors.js";
import type { WeightFile } from "../../weights/weight-file.js";
import type { ModelConfig } from "../architecture.js";
import type { MetadataReader } from "../metadata-reader.js";

/** The numbers every decoder-only model has, under their GGUF and their config.json names. */
export function readModelConfig(
  reader: MetadataReader,
  file: WeightFile,
): ModelConfig & { intermediateSize: number; epsilon: number } {
  const hiddenSize = reader.integer(["embedding_length", "hidden_size"], { max: 2 ** 20 });
  const numHeads = reader.integer(["attention.head_count", "num_attention_heads"], { max: 4096 });
  const numKvHeads = reader.integer(["attention.head_count_kv", "num_key_value_heads"], {
    max: 4096,
    default: numHeads,
  });
  const headDim = reader.integer(["attention.key_length", "head_dim"], {
    max: 4096,
    default: Math.floor(hiddenSize / numHeads),
  });
  const valueDim = reader.integer(["attention.value_length"], { max: 4096, default: headDim });
  if (numHeads % numKvHeads !== 0 || valueDim !== headDim) {
    throw new QuireError("unsupported", `${file.path}: this arrangement of heads is not supported.`, {
      got: `${numHeads} query heads, ${numKvHeads} kv heads, widths ${headDim} and ${valueDim}`,
      expected: "kv heads that divide the query heads, and equal widths",
    });
  }
  return {
    vocabSize: vocabSize(reader, file),
    hiddenSize,
    numLayers: reader.integer(["block_count", "num_hidden_layers"], { max: 1024 }),
    numHeads,
    numKvHeads,
    headDim,
    maxPositions: reader.integer(["context_length", "max_position_embeddings"]),
    intermediateSize: reader.integer(["feed_forward_length", "intermediate_size"], { max: 2 ** 22 }),
    epsilon: reader.number(["attention.layer_norm_rms_epsilon", "rms_norm_eps"]),
  };
}

/** The embedding's own rows are the truth; metadata may be missing or padded. */
function vocabSize(reader: MetadataReader, file: WeightFile): number {
  const embedding = file.tensors.get("token_embd.weight") ?? file.tensors.get("model.embed_tokens.weight");
  return embedding?.shape[0] ?? reader.integer(["vocab_size"], { max: 2 ** 24 });
}
