import type { Command } from "commander";
import { count } from "../layout.js";
import { openModel } from "../open-model.js";
import {
  examples,
  type GenerationFlags,
  generationOptions,
  type ModelFlags,
  modelOptions,
  number,
  outputOptions,
} from "../options.js";
import { queueOption } from "../queue-option.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire worker`: takes jobs from a queue and works on them with one model, until Ctrl-C or SIGTERM. */

interface Flags extends ModelFlags, GenerationFlags {
  readonly queue: string;
  readonly concurrency: number;
  readonly lostAfter: number;
  readonly drain: number;
}

export function define(command: Command): void {
  command.description(
    "Works on the jobs of a queue, beside any number of other workers, on this machine or others. Ctrl-C finishes what is at work and ends; whatever else ends it, the others take over.",
  );
  modelOptions(command)
    .addOption(queueOption())
    .addOption(
      number("--concurrency <n>", "calls of the model at a time", "QUIRE_CONCURRENCY", {
        least: 1,
        most: 1024,
        whole: true,
      }).default(1),
    )
    .addOption(
      number("--lost-after <seconds>", "silence after which a worker is taken for dead", "QUIRE_LOST_AFTER", {
        least: 1,
      }).default(30),
    )
    .addOption(
      number("--drain <seconds>", "time for calls to finish when it ends", undefined, { least: 0 }).default(30),
    );
  generationOptions(command);
  examples(outputOptions(command), [
    "quire worker --queue redis://127.0.0.1:6379",
    "quire worker --queue redis://10.0.0.5:6379 --model qwen3-1.7b --concurrency 4",
    "quire worker --queue redis://10.0.0.5:6379 --base-url http://10.0.0.9:8000/v1 --concurrency 32",
  ]);
  command.action(start(run));
}

async function run(session: Session, flags: Flags): Promise<void> {
  const { startWorker } = await import("../../queue/worker.js");
  const { checkQueue, withoutPassword } = await import("../../queue/redis-link.js");
  // A model takes minutes to fetch; a queue that is not there shows at once.
  await checkQueue(flags.queue);
  const opened = await openModel(session, flags);
  try {
    const worker = await startWorker({
      address: flags.queue,
      model: opened.model,
      concurrency: flags.concurrency,
      lostAfterMs: flags.lostAfter * 1000,
      onEvent: (event) => {
        if (event.type === "connection") {
          session.warn(event.state === "lost" ? "The queue is gone; waiting for it." : "The queue is back.");
        } else if (event.state === "failed") session.warn(`${event.id}: ${event.message}`);
        else session.hint(`${event.id} ${event.state}`);
      },
    });
    const queue = withoutPassword(flags.queue);
    if (session.json)
      session.result({ queue, model: opened.model.id, concurrency: flags.concurrency, pid: process.pid });
    else
      session.line(
        `Working on ${queue} with ${opened.where}, ${count(flags.concurrency, "call")} at a time.   Ctrl-C ends it.`,
      );
    await stopped(session.signal);
    session.hint("Finishing what is at work; Ctrl-C again ends at once.");
    await worker.stop(flags.drain * 1000);
  } finally {
    await opened.close();
  }
}

function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
