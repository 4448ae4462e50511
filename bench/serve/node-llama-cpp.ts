import type { Contender } from "../lib/contender.js";
import { importRival } from "../lib/rival.js";
import { type BatchLoad, type BatchResult, type BatchTask, timeBatch } from "./batch-task.js";

/** node-llama-cpp with its own batching: one context with as many sequences as there are users, evaluated at once. */

/** What is used of it; the package is installed apart. */
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
  sequences: number;
  threads: number;
}
interface Context {
  getSequence(): Sequence;
}
interface Sequence {
  clearHistory(): Promise<void>;
  evaluate(tokens: number[], options: { temperature: number; yieldEogToken: boolean }): AsyncIterable<number>;
}

let llama: Llama | undefined;
let sequences: Sequence[] = [];

export const contender: Contender<BatchLoad, BatchTask, BatchResult> = {
  async load({ modelPath, threads, contextTokens, sequences: count }) {
    const { getLlama } = await importRival<Rival>("node-llama-cpp");
    llama = await getLlama({ gpu: false, build: "never", maxThreads: threads });
    const model = await llama.loadModel({ modelPath });
    const context = await model.createContext({ contextSize: contextTokens, sequences: count, threads });
    sequences = Array.from({ length: count }, () => context.getSequence());
    return { "llama.cpp in node-llama-cpp": llama.llamaCppRelease.release };
  },
  async run(task) {
    await Promise.all(sequences.map((sequence) => sequence.clearHistory()));
    return timeBatch(task, (prompt, index) => {
      const sequence = sequences[index];
      if (sequence === undefined) throw new Error("There are more prompts than sequences.");
      return sequence.evaluate(Array.from(prompt), { temperature: 0, yieldEogToken: true });
    });
  },
  async close() {
    await llama?.dispose();
  },
};
