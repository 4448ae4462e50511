import type { Quire } from "../../src/quire.js";
import { alternate } from "../lib/alternate.js";
import type { Task } from "./tasks.js";

/** Time a token by decoder on one task, in turns A B B A; greedy, so that all must give the same tokens. */

export interface TimedRun {
  readonly ms: number;
  readonly cpuMs: number;
  readonly tokensPerCall: number;
  readonly tokens: readonly number[];
}

export interface SpeedOptions {
  readonly decoders: Readonly<Record<string, string>>;
  readonly tokens: number;
  readonly rounds: number;
  progress(text: string): void;
}

export async function speedOf(quire: Quire, task: Task, options: SpeedOptions): Promise<Map<string, TimedRun[]>> {
  const contenders = Object.entries(options.decoders).map(([name, decoder]) => ({
    name,
    run: async ({ prompt }: Task): Promise<TimedRun> => {
      let started = Number.NaN;
      let cpu: NodeJS.CpuUsage | undefined;
      const stream = quire.streamCompletion(prompt, {
        ...{ decoder, temperature: 0, maxTokens: options.tokens, ignoreEnd: true },
      });
      for (;;) {
        const next = await stream.next();
        // From the first token on: all decoders read the prompt alike.
        if (cpu === undefined) [started, cpu] = [performance.now(), process.cpuUsage()];
        if (next.done !== true) continue;
        const after = next.value.tokens.length - 1;
        const { user, system } = process.cpuUsage(cpu);
        return {
          ms: (performance.now() - started) / after,
          cpuMs: (user + system) / 1000 / after,
          tokensPerCall: after / Math.max(1, next.value.stats.passes - 1),
          tokens: next.value.tokens,
        };
      }
    },
  }));
  return alternate({
    contenders,
    task,
    rounds: options.rounds,
    onRound: (done, total) => options.progress(`${task.name}: ${done} of ${total}`),
  });
}

/** Middle of the ratios of rounds, and an interval that holds it 95 times of 100, by drawing rounds with replacement. */
export function ratioInterval(
  ratios: readonly number[],
  draw: () => number,
): { value: number; low: number; high: number } {
  const middle = (values: readonly number[]): number => {
    const sorted = [...values].sort((a, b) => a - b);
    const half = (sorted.length - 1) / 2;
    return ((sorted[Math.floor(half)] ?? Number.NaN) + (sorted[Math.ceil(half)] ?? Number.NaN)) / 2;
  };
  const drawn = Array.from({ length: 1000 }, () =>
    middle(ratios.map(() => ratios[Math.floor(draw() * ratios.length)] ?? Number.NaN)),
  ).sort((a, b) => a - b);
  return { value: middle(ratios), low: drawn[25] ?? Number.NaN, high: drawn[974] ?? Number.NaN };
}
