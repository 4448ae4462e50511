import { greatest } from "../../src/decode/sample/greedy.js";
import type { Contender } from "../lib/contender.js";
import { type BareLlama, openBareLlama } from "./llama-library.js";
import { type DecodeLoad, type DecodeResult, type DecodeTask, timeTokens } from "./task.js";

/** The least that llama.cpp needs: llama_decode by FFI on this thread, the greatest logit, again. No queue, no sampler, no text. */

let llama: BareLlama | undefined;

export const contender: Contender<DecodeLoad, DecodeTask, DecodeResult> = {
  async load({ modelPath, threads, contextTokens }) {
    llama = openBareLlama(modelPath, { threads, contextTokens });
    return {};
  },
  async run({ prompt, steps }) {
    if (llama === undefined) throw new Error("The model is not loaded.");
    llama.clear();
    return timeTokens(loop(llama, prompt), steps);
  },
  async close() {
    llama?.close();
  },
};

/** An async generator like the others', so that all pay the same for being asked. */
async function* loop(model: BareLlama, prompt: Int32Array): AsyncGenerator<number> {
  let rows = prompt;
  for (;;) {
    // Longer calls than the library's logical batch are not allowed.
    for (let start = 0; start < rows.length; start += 2048) model.decode(rows.subarray(start, start + 2048));
    const token = greatest(model.logits());
    yield token;
    rows = Int32Array.of(token);
  }
}
