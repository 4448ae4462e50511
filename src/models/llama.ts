import { preNormModel } from "./blocks/pre-norm-model.js";

/** Llama: SmolLM2, Llama 2 and 3 (with its scaling of positions), Mistral and their kin. Pre-norm blocks of grouped attention
 *  and a SwiGLU feed-forward. Paper: Touvron et al. 2023, arXiv 2302.13971. */
export const llama = preNormModel({ name: "llama", rotation: "pairs" });
