import type { Quire } from "../../src/quire.js";
import type { Contender } from "../lib/contender.js";
import { type BatchLoad, type BatchResult, type BatchTask, timeBatch } from "./batch-task.js";

/** Quire as its users call it, from the built package: many streams at once. */

let quire: Quire | undefined;

export const contender: Contender<BatchLoad, BatchTask, BatchResult> = {
  async load({ modelPath, threads, built, sequences, contextTokens }) {
    const library = (await import(built)) as typeof import("../../src/index.js");
    quire = await library.Quire.open(modelPath, {
      ...{ threads, device: "cpu", maxSequences: sequences, contextTokens },
      // The same prompts come again and again, and are to be read each time.
      prefixSharing: false,
    });
    return {};
  },
  run: (task) =>
    timeBatch(task, async function* (prompt) {
      const stream = opened().streamTokens(prompt, { temperature: 0, ignoreEnd: true, maxTokens: task.tokens });
      for await (const { token } of stream) if (token >= 0) yield token;
    }),
  async close() {
    await quire?.close();
  },
};

function opened(): Quire {
  if (quire === undefined) throw new Error("The model is not loaded.");
  return quire;
}
