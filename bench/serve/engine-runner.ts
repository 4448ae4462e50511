import type { ObservedPass } from "../../src/engine/engine-observer.js";
import type { EngineOptions } from "../../src/engine/engine-options.js";
import type { LoadedModel } from "../../src/engine/model.js";
import type { PassCosts } from "../../src/engine/schedule/pass-costs.js";
import type { Tokenizer } from "../../src/text/tokenizer.js";
import { clockFor } from "./clock.js";
import { type DrivenRecord, drive, type TimedRequest } from "./drive.js";

/** The engine of the built package, in this process, with one loaded model for all schedules. */

export interface OpenedEngine {
  readonly model: LoadedModel;
  readonly tokenizer: Tokenizer;
  /** What times are measured in. */
  readonly timeTitle: string;
  costs(): Promise<PassCosts>;
  run(requests: readonly TimedRequest[], options: RunOptions): Promise<EngineRun>;
  close(): Promise<void>;
}

export interface RunOptions extends Pick<EngineOptions, "maxSequences" | "prefixSharing" | "costs"> {
  /** As `--schedule`. */
  readonly schedule: string;
}

export interface EngineRun {
  readonly records: DrivenRecord[];
  readonly passes: readonly ObservedPass[];
  readonly hits: number;
  readonly queries: number;
}

export async function openEngine(built: string, modelPath: string, threads: number): Promise<OpenedEngine> {
  const from = async <Module>(path: string) => (await import(new URL(path, built).href)) as Module;
  const library = await from<typeof import("../../src/index.js")>("index.js");
  const { Engine } = await from<typeof import("../../src/engine/engine.js")>("engine/engine.js");
  const { measureCosts } = await from<typeof import("../../src/engine/measure-costs.js")>("engine/measure-costs.js");
  const { full } = await from<typeof import("../../src/cache/full.js")>("cache/full.js");
  const { autoregressive } =
    await from<typeof import("../../src/decode/autoregressive.js")>("decode/autoregressive.js");
  const { createSampler } = await from<typeof import("../../src/decode/sample/sampler.js")>("decode/sample/sampler.js");
  const quire = await library.Quire.open(modelPath, { threads, device: "cpu" });
  const { model } = quire.engine;
  let open = true;
  return {
    model,
    tokenizer: quire.tokenizer,
    timeTitle: clockFor(threads).title,
    costs: () => measureCosts(model, { now: clockFor(threads).now }),
    run: async (requests, { schedule, ...options }) => {
      const passes: ObservedPass[] = [];
      const clock = clockFor(threads);
      const engine = new Engine(model, quire.tokenizer, {
        ...options,
        schedule: await library.partOf("engine", schedule),
        now: clock.now,
        observer: {
          onPass: (pass) => {
            passes.push(pass);
            clock.tick(engine.live === 0);
          },
        },
      });
      try {
        const driven = drive(requests, submit, clock);
        clock.tick(true);
        const records = await driven;
        const { hits = 0, queries = 0 } = engine.memory.prefixes?.counters ?? {};
        return { records, passes, hits, queries };
        async function* submit({ prompt, outputTokens, user }: TimedRequest): AsyncGenerator<number> {
          const request = { prompt, user, maxTokens: outputTokens, ignoreEnd: true };
          const parts = { decoder: autoregressive(), policy: full(), sampler: createSampler() };
          for await (const { token } of engine.start({ ...request, ...parts }).pieces) if (token >= 0) yield token;
        }
      } finally {
        await engine.close();
      }
    },
    close: async () => {
      if (!open) return;
      open = false;
      await quire.close();
    },
  };
}
