import { hogwild } from "../../src/decode/hogwild.js";
import * as prompts from "../../src/decode/workers/prompts.js";
import { Quire } from "../../src/quire.js";
import { ResultsSoFar } from "../cache/results-so-far.js";
import { prose } from "../decode/prompts.js";
import type { Bench, BenchOptions, Check, Findings, Row } from "../lib/report.js";
import { mean, pairedRatio, type Spread, single, spread } from "../lib/statistics.js";
import { type Condition, conditions, type FlowOutcome, readCode } from "./information-flow.js";

/** Workers on one memory beside as many independent sequences in one batch, in turns; and whether a worker reads what another writes. */

export const hogwildBench: Bench = { title: "Workers on one memory", run };

interface Speed {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Of all workers, after the first of each. */
  readonly tokens: number;
  readonly entries: number;
  readonly bytes: number;
  readonly rows: number;
}

const contenders = ["workers", "workers, bare", "independent", "independent, same prompt"] as const;
type Contender = (typeof contenders)[number];

async function run(options: BenchOptions): Promise<Findings> {
  const { quick, seed, progress } = options;
  const name = options.model ?? "smollm2-135m-instruct";
  const threads = options.threads ?? (quick ? 1 : 2);
  const [steps, rounds, codes] = quick ? [24, 2, 6] : [128, 6, 50];
  const soFar = await ResultsSoFar.open<Speed | FlowOutcome>(
    "hogwild",
    name,
    String(threads),
    String(seed),
    String(quick),
  );
  const quire = await Quire.open(name, { device: "cpu", threads, prefixSharing: false });
  const speeds = new Map<string, Speed[]>();
  const flows = new Map<Condition, FlowOutcome[]>();
  try {
    for (const promptTokens of quick ? [256] : [256, 1024]) {
      for (const workers of quick ? [2, 4] : [1, 2, 4]) {
        const prompt = prose(quire.tokenizer, promptTokens, seed);
        const asLong = prose(quire.tokenizer, promptTokens + extraTokens(quire, workers), seed);
        for (let round = 0; round < rounds; round++) {
          for (const contender of round % 2 === 0 ? contenders : [...contenders].reverse()) {
            const key = `${promptTokens} ${workers} ${contender} ${round}`;
            let outcome = soFar.get(key) as Speed | undefined;
            if (outcome === undefined) {
              const given = contender === "independent" ? asLong : prompt;
              outcome = contender.startsWith("workers")
                ? await timeWorkers(quire, given, { workers, steps, bare: contender !== "workers" })
                : await timeIndependent(quire, given, { workers, steps });
              await soFar.add({ [key]: outcome });
            }
            const list = `${promptTokens} ${workers} ${contender}`;
            speeds.set(list, [...(speeds.get(list) ?? []), outcome]);
          }
          progress(`prompt ${promptTokens}, ${workers} workers: ${round + 1} of ${rounds}`);
        }
      }
    }
    for (let number = 0; number < codes; number++) {
      const code = String(10_000 + ((number * 38_113 + seed * 7_919) % 90_000));
      for (const condition of conditions) {
        const key = `flow ${condition} ${code}`;
        const outcome = (soFar.get(key) as FlowOutcome | undefined) ?? (await readCode(quire, code, condition));
        await soFar.add({ [key]: outcome });
        flows.set(condition, [...(flows.get(condition) ?? []), outcome]);
      }
      if ((number + 1) % 5 === 0 || number + 1 === codes) progress(`codes: ${number + 1} of ${codes}`);
    }
  } finally {
    await quire.close();
  }
  return findings({ name, threads, steps, codes, quick }, speeds, flows);
}

/** What workers read beside the prompt before they write. */
function extraTokens({ tokenizer }: Quire, workers: number): number {
  const names = prompts.defaultNames.slice(0, workers);
  const openings = names.map((name, index) => prompts.stepLabel(name, 1) + prompts.opening(name, index === 0));
  const texts = [prompts.rulesFor(names), prompts.othersHeading, prompts.ownHeading, ...openings];
  return texts.reduce((sum, text) => sum + tokenizer.encode(text).length, 0);
}

interface Setting {
  readonly workers: number;
  readonly steps: number;
}

async function timeWorkers(quire: Quire, prompt: Int32Array, setting: Setting & { bare: boolean }): Promise<Speed> {
  const { workers, steps, bare } = setting;
  const clock = new Clock(workers);
  const decoder = hogwild({ workers, bare });
  const stream = quire.streamTokens(prompt, { decoder, temperature: 0, ignoreEnd: true, maxTokens: steps + 1 });
  for (;;) {
    const next = await stream.next();
    if (next.done === true) {
      const { cache } = next.value.stats;
      return clock.stop(steps * workers, cache.entries, cache.bytes);
    }
    clock.saw(next.value.channel ?? 0, quire);
  }
}

async function timeIndependent(quire: Quire, prompt: Int32Array, { workers, steps }: Setting): Promise<Speed> {
  const clock = new Clock(workers);
  const results = await Promise.all(
    Array.from({ length: workers }, async (_, index) => {
      const stream = quire.streamTokens(prompt, { temperature: 0, ignoreEnd: true, maxTokens: steps + 1 });
      for (;;) {
        const next = await stream.next();
        if (next.done === true) return next.value.stats.cache;
        clock.saw(index, quire);
      }
    }),
  );
  const sum = (of: (cache: (typeof results)[number]) => number) => results.reduce((total, one) => total + of(one), 0);
  return clock.stop(
    steps * workers,
    sum(({ entries }) => entries),
    sum(({ bytes }) => bytes),
  );
}

/** Begins when everybody has its first token. */
class Clock {
  readonly #waiting: Set<number>;
  #start = 0;
  #cpu = 0;
  #rows = 0;
  #quire: Quire | undefined;

  constructor(workers: number) {
    this.#waiting = new Set(Array.from({ length: workers }, (_, index) => index));
  }

  saw(index: number, quire: Quire): void {
    if (!this.#waiting.delete(index) || this.#waiting.size > 0) return;
    this.#quire = quire;
    this.#start = performance.now();
    this.#cpu = cpuSeconds();
    this.#rows = quire.engine.pass.stats.rows;
  }

  stop(tokens: number, entries: number, bytes: number): Speed {
    const seconds = (performance.now() - this.#start) / 1000;
    const rows = (this.#quire?.engine.pass.stats.rows ?? 0) - this.#rows;
    return { seconds, cpuSeconds: cpuSeconds() - this.#cpu, tokens, entries, bytes, rows };
  }
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

interface Facts {
  readonly name: string;
  readonly threads: number;
  readonly steps: number;
  readonly codes: number;
  readonly quick: boolean;
}

function findings(
  { name, threads, steps, codes, quick }: Facts,
  speeds: ReadonlyMap<string, readonly Speed[]>,
  flows: ReadonlyMap<Condition, readonly FlowOutcome[]>,
): Findings {
  const rows: Row[] = [];
  const ratios: Record<string, number> = {};
  const targets: Record<string, { atLeast: number }> = {};
  const rate = ({ tokens, seconds }: Speed) => tokens / seconds;
  const cpuRate = ({ tokens, cpuSeconds }: Speed) => tokens / cpuSeconds;
  for (const [key, runs] of speeds) {
    const [promptTokens, workers, ...contender] = key.split(" ");
    const measures: Record<string, Spread> = {
      speed: spread(runs.map(rate)),
      cpu: spread(runs.map((one) => (1000 * one.cpuSeconds) / one.tokens)),
      rows: spread(runs.map((one) => one.rows / one.tokens)),
      entries: spread(runs.map(({ entries }) => entries)),
      memory: spread(runs.map(({ bytes }) => bytes / 2 ** 20)),
    };
    rows.push({ setting: settingOf(promptTokens, workers), contender: contender.join(" "), measures });
  }
  const settings = new Set([...speeds.keys()].map((key) => key.split(" ").slice(0, 2).join(" ")));
  for (const setting of settings) {
    const [promptTokens, workers] = setting.split(" ");
    const of = (contender: Contender) => speeds.get(`${setting} ${contender}`) ?? [];
    const place = `${workers}At${promptTokens}`;
    const against = (value: (one: Speed) => number, ours: Contender, theirs: Contender) =>
      pairedRatio(of(ours).map(value), of(theirs).map(value));
    ratios[`workers${place}`] = against(rate, "workers", "independent");
    ratios[`workersCpu${place}`] = against(cpuRate, "workers", "independent");
    ratios[`bare${place}`] = against(rate, "workers, bare", "independent, same prompt");
    ratios[`bareCpu${place}`] = against(cpuRate, "workers, bare", "independent, same prompt");
    ratios[`entries${place}`] = against(({ entries }) => entries, "workers", "independent");
    if (workers === "1") continue;
    targets[`workers${place}`] = { atLeast: 0.9 };
    targets[`bare${place}`] = { atLeast: 0.9 };
  }
  const flow = (condition: Condition) => flows.get(condition) ?? [];
  const logProbs = (condition: Condition) => flow(condition).map(({ logProb }) => logProb);
  for (const condition of conditions) {
    const exact = flow(condition).filter((one) => one.exact).length;
    const measures = { logProb: spread(logProbs(condition)), exact: single(exact / codes) };
    rows.push({ setting: `what another wrote, ${codes} codes`, contender: condition, measures });
  }
  ratios["sharedExact"] = flow("shared").filter(({ exact }) => exact).length / codes;
  targets["sharedExact"] = { atLeast: 0.9 };
  const gained = mean(logProbs("shared")) - mean(logProbs("invisible"));
  const lost = mean(logProbs("recomputed")) - mean(logProbs("shared"));
  const checks: Check[] = [
    {
      name: "text of another worker is read",
      passed: gained > 1,
      detail: `the code is ${gained.toFixed(2)} nats likelier than where the other's block is not in the view`,
    },
  ];
  return {
    title: `Workers on one memory: ${name}`,
    summary: `Greedy, ${steps} tokens of each worker after its first, ${threads} ${threads === 1 ? "thread" : "threads"}, contenders in turns. Speed: tokens of all together by the clock on the wall. Workers read rules, headings and openings beside the prompt and label their steps; "independent" are as many sequences in one batch whose prompt is as long as all that, each with a memory of its own. Bare workers have only the prompt, as have "independent, same prompt". Medians, in brackets the quartiles.`,
    columns: {
      speed: { title: "all together", unit: "tokens/s", digits: 1, better: "higher" },
      cpu: { title: "processor time a token", unit: "ms", digits: 1, better: "lower" },
      rows: { title: "rows a token", unit: "", digits: 2, better: "lower" },
      entries: { title: "entries at the end", unit: "", digits: 0, better: "lower" },
      memory: { title: "memory", unit: "MiB", digits: 1, better: "lower" },
      logProb: { title: "log-probability of the code", unit: "nats", digits: 2, better: "higher" },
      exact: { title: "code right", unit: "", digits: 2, better: "higher" },
    },
    rows,
    ratios,
    targets,
    checks,
    charts: [
      { measure: "speed", title: "Tokens a second, all workers together" },
      { measure: "memory", title: "Memory for keys and values" },
      { measure: "logProb", title: "Log-probability of a code that another worker wrote" },
    ],
    versions: {},
    notes: [
      `Of one worker's code another is ${lost.toFixed(2)} nats less sure than of the same text read from the beginning: entries of one view serve in another.`,
      'Codes: one worker writes "The code is N." token by token into its own block, then the other is made to say "The code is", and its probability of N is taken. Shared: it sees that block. Moved: the block was put to the end of the common one before. Invisible: the block is not in its view. Recomputed: all that it sees, as one text without workers.',
      "Ratios workers… and bare… are medians over rounds of workers' speed by that of independent sequences; …Cpu… the same of tokens by processor time, which other programs disturb less.",
      ...(quick ? ["A quick run on a machine that had other work: to see that everything works, not to quote."] : []),
    ],
  };
}

function settingOf(promptTokens: string | undefined, workers: string | undefined): string {
  return `prompt ${promptTokens}, ${workers} ${workers === "1" ? "worker" : "workers"}`;
}
