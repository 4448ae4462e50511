import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { median } from "./statistics.js";

/** The physical roof of decoding one token at a time: all weights are read once a token, so memory bandwidth limits it. Measured
 *  by the fastest plain ways to read that a script has: comparing two large equal buffers, and copying one. */

export interface Bandwidth {
  readonly threads: number;
  readonly readGBs: number;
  readonly copyGBs: number;
  /** The better of the two. */
  readonly bestGBs: number;
}

const bytes = 192 * 2 ** 20;
const repeats = 7;

/** Plain text, because a worker does not inherit how the main program is compiled. Both loops run in native code. */
const workerSource = `
const { parentPort, workerData } = require("node:worker_threads");
const a = Buffer.alloc(workerData.bytes, 1);
const b = Buffer.alloc(workerData.bytes, 1);
parentPort.on("message", (kind) => {
  const start = performance.now();
  if (kind === "read") { if (a.compare(b) !== 0) throw new Error("unequal"); }
  else b.set(a);
  parentPort.postMessage(performance.now() - start);
});
parentPort.postMessage(0);
`;

export async function memoryBandwidth(threads: number): Promise<Bandwidth> {
  const workers = Array.from(
    { length: threads },
    () => new Worker(workerSource, { eval: true, workerData: { bytes: bytes / 2 } }),
  );
  try {
    await Promise.all(workers.map(answer));
    // Either way every byte of both buffers crosses the bus once.
    const measure = async (kind: "read" | "copy") => {
      const times: number[] = [];
      for (let i = 0; i < repeats; i++) {
        const answers = Promise.all(workers.map(answer));
        for (const worker of workers) worker.postMessage(kind);
        times.push(Math.max(...(await answers)));
      }
      return (threads * bytes) / 1e6 / median(times);
    };
    const readGBs = await measure("read");
    const copyGBs = await measure("copy");
    return { threads, readGBs, copyGBs, bestGBs: Math.max(readGBs, copyGBs) };
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

async function answer(worker: Worker): Promise<number> {
  const [milliseconds] = (await once(worker, "message")) as [number];
  return milliseconds;
}
