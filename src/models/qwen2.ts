import { preNormModel } from "./blocks/pre-norm-model.js";

/** Qwen 2 and 2.5: Llama's block with biases on queries, keys and values, rotated in halves. Paper: Yang et al. 2024, arXiv
 *  2407.10671. */
export const qwen2 = preNormModel({ name: "qwen2", rotation: "neox", biases: true });
