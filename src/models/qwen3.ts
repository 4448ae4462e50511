import { preNormModel } from "./blocks/pre-norm-model.js";

/** Qwen 3 (dense): Llama's block, queries and keys normalised per head before they are rotated in halves. Paper: Yang et al.
 *  2025, arXiv 2505.09388. */
export const qwen3 = preNormModel({ name: "qwen3", rotation: "neox", queryKeyNorms: true });
