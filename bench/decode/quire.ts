import type { Quire } from "../../src/quire.js";
import type { Contender } from "../lib/contender.js";
import { type DecodeLoad, type DecodeResult, type DecodeTask, timeTokens } from "./task.js";

/** Quire as its users call it, from the built package: streamed tokens of one sequence. */

let quire: Quire | undefined;
let native: typeof import("../../src/tensor/ffi/ggml.js") | undefined;

export const contender: Contender<DecodeLoad, DecodeTask, DecodeResult> = {
  async load({ modelPath, threads, built }) {
    const library = (await import(built)) as typeof import("../../src/index.js");
    native = (await import(new URL("./tensor/ffi/ggml.js", built).href)) as NonNullable<typeof native>;
    // The same prompt comes again and again, and is to be read each time.
    quire = await library.Quire.open(modelPath, { threads, device: "cpu", prefixSharing: false });
    return {};
  },
  async run(task) {
    if (task.profile !== true) return generate(task);
    const computed = await withCompute(task, "async");
    const native = await withCompute(task, "sync");
    return { ...computed.result, profile: { computeMs: computed.ms, nativeMs: native.ms } };
  },
  async close() {
    await quire?.close();
  },
};

function generate({ prompt, steps }: DecodeTask): Promise<DecodeResult> {
  return timeTokens(tokens(prompt, steps), steps);
}

async function* tokens(prompt: Int32Array, steps: number): AsyncGenerator<number> {
  const stream = opened().streamTokens(prompt, { temperature: 0, ignoreEnd: true, maxTokens: steps + 1 });
  for await (const { token } of stream) if (token >= 0) yield token;
}

/** Times the computations of a run's steps; the prompt's do not count. */
async function withCompute(task: DecodeTask, kind: "async" | "sync"): Promise<{ result: DecodeResult; ms: number }> {
  const { device } = opened().engine.model;
  const usual = device.compute;
  const times: number[] = [];
  device.compute = async (graph, signal) => {
    const start = performance.now();
    if (kind === "async") await usual.call(device, graph, signal);
    else native?.ggml().ggml_backend_graph_compute(device.backend, graph);
    times.push(performance.now() - start);
  };
  try {
    const result = await generate(task);
    const ofSteps = times.slice(-task.steps);
    return { result, ms: ofSteps.reduce((sum, time) => sum + time, 0) / ofSteps.length };
  } finally {
    device.compute = usual;
  }
}

function opened(): Quire {
  if (quire === undefined) throw new Error("The model is not loaded.");
  return quire;
}
