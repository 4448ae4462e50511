import type { Llama, LlamaContext, LlamaContextSequence, LlamaModel, Token } from "node-llama-cpp";
import type { Contender } from "../lib/contender.js";
import { importRival } from "../lib/rival.js";
import { type DecodeLoad, type DecodeResult, type DecodeTask, timeTokens } from "./task.js";

/** node-llama-cpp as its users call it: its defaults, on the CPU, with the threads of the setting. */

let llama: Llama | undefined;
let model: LlamaModel | undefined;
let context: LlamaContext | undefined;
let sequence: LlamaContextSequence | undefined;

export const contender: Contender<DecodeLoad, DecodeTask, DecodeResult> = {
  async load({ modelPath, threads, contextTokens, flashAttention }) {
    const { getLlama } = await importRival<typeof import("node-llama-cpp")>("node-llama-cpp");
    llama = await getLlama({ gpu: false, build: "never", maxThreads: threads });
    model = await llama.loadModel({ modelPath });
    context = await model.createContext({ contextSize: contextTokens, threads, flashAttention });
    sequence = context.getSequence();
    return { "llama.cpp in node-llama-cpp": llama.llamaCppRelease.release };
  },
  async run({ prompt, steps }) {
    if (sequence === undefined) throw new Error("The model is not loaded.");
    await sequence.clearHistory();
    const input = Array.from(prompt) as Token[];
    return timeTokens(sequence.evaluate(input, { temperature: 0, yieldEogToken: true }), steps);
  },
  async close() {
    await llama?.dispose();
  },
};
