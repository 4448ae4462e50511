import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Contender } from "../lib/contender.js";
import { torchPython } from "./install-torch.js";
import { learningRate, optimizer, type TrainLoad, type TrainResult, type TrainTask, trainingText } from "./task.js";

/** PyTorch on the processor: steps.py in a Python of its own, asked line by line. */

let python: ChildProcess | undefined;
let answers: AsyncIterator<string> | undefined;

export const contender: Contender<TrainLoad, TrainTask, TrainResult> = {
  async load({ shape, precision, threads, weights, seed }) {
    const script = fileURLToPath(new URL("./steps.py", import.meta.url));
    python = spawn(await torchPython(), [script], { stdio: ["pipe", "pipe", "inherit"] });
    answers = createInterface({ input: python.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
    const { tokens, targets } = trainingText(shape.sequences * shape.length, seed);
    const text = { tokens: [...tokens], targets: [...targets] };
    return (await ask({ ...shape, precision, threads, weights, learningRate, ...optimizer, ...text })) as Record<
      string,
      string
    >;
  },
  async run({ steps }) {
    return (await ask({ steps })) as TrainResult;
  },
  async close() {
    python?.kill();
  },
};

async function ask(question: unknown): Promise<unknown> {
  python?.stdin?.write(`${JSON.stringify(question)}\n`);
  const answer = await answers?.next();
  if (answer === undefined || answer.done === true) throw new Error("PyTorch's process has ended");
  return JSON.parse(answer.value);
}
