import type { Contender } from "../lib/contender.js";
import { importRival } from "../lib/rival.js";
import { type DecodeLoad, type DecodeResult, type DecodeTask, timeTokens } from "./task.js";

/** node-llama-cpp as its users call it: its defaults, on the CPU, with the threads of the setting. */

/** What is used of it. The package is installed apart (bench/package.json), so its own types are not there for everybody. */
interface Rival {
  getLlama(options: { gpu: false; build: "never"; maxThreads: number }): Promise<Llama>;
}
interface Llama {
  loadModel(options: { modelPath: string }): Promise<{ createContext(options: ContextOptions): Promise<Context> }>;
  readonly llamaCppRelease: { readonly release: string };
  dispose(): Promise<void>;
}
interface ContextOptions {
  contextSize: number;
  threads: number;
  flashAttention: boolean | undefined;
}
interface Context {
  getSequence(): Sequence;
}
interface Sequence {
  clearHistory(): Promise<void>;
  evaluate(tokens: number[], options: { temperature: number; yieldEogToken: boolean }): AsyncIterator<number>;
}

let llama: Llama | undefined;
let sequence: Sequence | undefined;

export const contender: Contender<DecodeLoad, DecodeTask, DecodeResult> = {
  async load({ modelPath, threads, contextTokens, flashAttention }) {
    const { getLlama } = await importRival<Rival>("node-llama-cpp");
    llama = await getLlama({ gpu: false, build: "never", maxThreads: threads });
    const model = await llama.loadModel({ modelPath });
    const context = await model.createContext({ contextSize: contextTokens, threads, flashAttention });
    sequence = context.getSequence();
    return { "llama.cpp in node-llama-cpp": llama.llamaCppRelease.release };
  },
  async run({ prompt, steps }) {
    if (sequence === undefined) throw new Error("The model is not loaded.");
    await sequence.clearHistory();
    return timeTokens(sequence.evaluate(Array.from(prompt), { temperature: 0, yieldEogToken: true }), steps);
  },
  async close() {
    await llama?.dispose();
  },
};
