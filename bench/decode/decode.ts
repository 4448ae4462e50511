import { resolveModel } from "../../src/weights/resolve-model.js";
import { alternate } from "../lib/alternate.js";
import { type Bandwidth, memoryBandwidth } from "../lib/bandwidth.js";
import { builtIndex } from "../lib/built-package.js";
import { type ContenderSpec, type RunningContender, startContender } from "../lib/contender.js";
import type { Bench, BenchOptions, Findings, Row } from "../lib/report.js";
import { rivalVersion } from "../lib/rival.js";
import { median, pairedRatio, single, spread } from "../lib/statistics.js";
import { checkEqualOutput } from "./equal-output.js";
import { type ModelText, modelText } from "./model-text.js";
import { prose } from "./prompts.js";
import type { DecodeLoad, DecodeResult, DecodeTask } from "./task.js";

/** How fast a prompt is read and tokens come out, beside node-llama-cpp and beside a bare llama_decode loop on the same native
 *  build, each in a process of its own, in turns. */

interface Setting {
  readonly promptTokens: number;
  readonly steps: number;
  readonly rounds: number;
  readonly reads: "decode" | "prefill" | "both";
}

const settings: readonly Setting[] = [
  { promptTokens: 128, steps: 64, rounds: 15, reads: "decode" },
  { promptTokens: 512, steps: 0, rounds: 9, reads: "prefill" },
  { promptTokens: 4096, steps: 48, rounds: 4, reads: "both" },
];
const quickSettings: readonly Setting[] = [
  { promptTokens: 128, steps: 24, rounds: 4, reads: "decode" },
  { promptTokens: 512, steps: 8, rounds: 2, reads: "both" },
];
const contextTokens = 4096 + 256;
const ours = "quire";
const rival = "node-llama-cpp";
const rivalPlain = "node-llama-cpp, flash attention off";
const bare = "bare llama_decode";

type Running = RunningContender<DecodeTask, DecodeResult>;
type Results = Map<string, DecodeResult[]>;

const title = "Decoding and prefill";

export const decode: Bench = { title, run };

async function run(options: BenchOptions): Promise<Findings> {
  const { quick, progress } = options;
  const name = options.model ?? "smollm2-135m-instruct";
  const { path } = await resolveModel(name);
  const version = rivalVersion("node-llama-cpp");
  progress("building the package");
  const built = await builtIndex();
  const checked = await checkEqualOutput(quick || options.model !== undefined ? [name] : [name, "gemma-3-270m"], {
    built,
    threads: options.threads ?? (quick ? 1 : 2),
    prompts: quick ? 2 : 5,
    tokens: quick ? 48 : 256,
    progress,
  });
  const model = await modelText(path);
  const rows: Row[] = [];
  const notes: string[] = [];
  const ratios: Record<string, number> = {};
  let versions: Record<string, string> = { "node-llama-cpp": version };
  for (const threads of options.threads === undefined ? (quick ? [2] : [1, 2]) : [options.threads]) {
    const bandwidth = await memoryBandwidth(threads);
    const running = await startAll({ built, modelPath: path, threads, contextTokens }, quick);
    versions = Object.assign(versions, ...running.map((contender) => contender.versions));
    try {
      for (const setting of quick ? quickSettings : settings) {
        const prompt = prose(model.tokenizer, setting.promptTokens, options.seed);
        const results = await alternate({
          contenders: running,
          task: { prompt, steps: setting.steps },
          rounds: setting.rounds,
          onRound: (done, total) => progress(`${threads} threads, ${setting.promptTokens} tokens: ${done} of ${total}`),
        });
        rows.push(...rowsOf(results, setting, threads, model, bandwidth));
        // The wanted figures are those of two threads; with one thread they carry its number.
        Object.assign(
          ratios,
          ratiosOf(results, setting, threads === 2 || options.threads !== undefined ? "" : `Threads${threads}`),
        );
        if (setting.promptTokens === 128) {
          const profile = await profileOf(running[0] as Running, { prompt, steps: setting.steps }, quick ? 2 : 7);
          Object.assign(
            ratios,
            profile.ratios(threads === 2 || options.threads !== undefined ? "" : `Threads${threads}`),
          );
          notes.push(`${threads} threads, context 128: ${profile.note}`);
        }
      }
    } finally {
      for (const contender of running) await contender.close();
    }
    notes.push(roofNote(bandwidth, model));
  }
  model.tokenizer.close();
  return {
    title: `${title}: ${name}`,
    summary:
      "Tokens a second of one sequence, greedy, as each library's users call it. All compute with the same native build; each runs in its own process, in turns A B B A. Values are medians, in brackets the quartiles; ratios are medians over rounds of Quire's speed by the other's.",
    columns: {
      decode: { title: "decoding", unit: "tokens/s", digits: 1, better: "higher" },
      stepMs: { title: "a token", unit: "ms", digits: 2, better: "lower" },
      cpu: { title: "processor time a token", unit: "ms", digits: 2, better: "lower" },
      prefill: { title: "prefill", unit: "tokens/s", digits: 0, better: "higher" },
      firstMs: { title: "to the first token", unit: "ms", digits: 0, better: "lower" },
    },
    rows,
    ratios: { equalPrompts: checked.equal / checked.prompts, ...ratios },
    targets: {
      equalPrompts: { atLeast: 1 },
      vsNodeLlamaCpp: { atLeast: 1.2 },
      vsNodeLlamaCpp4k: { atLeast: 1 },
      vsLlamaDecode: { atLeast: 0.97 },
      vsLlamaDecode4k: { atLeast: 0.97 },
      prefillVsNodeLlamaCpp: { atLeast: 0.97 },
      prefillVsNodeLlamaCpp4k: { atLeast: 0.97 },
      tsShareOfToken: { atMost: 0.05 },
    },
    checks: checked.checks,
    charts: [
      { measure: "decode", title: "Decoding" },
      { measure: "prefill", title: "Prefill" },
    ],
    versions,
    notes: [
      ...notes,
      `${rival} is opened with its defaults (flash attention "auto") apart from threads and a context of ${contextTokens} tokens.`,
      "The bare loop calls llama_decode by FFI on the main thread with a persistent thread pool and takes the greatest logit in JavaScript; nothing else.",
    ],
  };
}

async function startAll(load: DecodeLoad, quick: boolean): Promise<Running[]> {
  const file = (name: string) => new URL(`./${name}.ts`, import.meta.url);
  const specs: ContenderSpec<DecodeLoad>[] = [
    { name: ours, module: file("quire"), load },
    { name: rival, module: file("node-llama-cpp"), load },
    ...(quick ? [] : [{ name: rivalPlain, module: file("node-llama-cpp"), load: { ...load, flashAttention: false } }]),
    { name: bare, module: file("llama-decode"), load },
  ];
  const running: Running[] = [];
  try {
    for (const spec of specs) running.push(await startContender(spec));
    return running;
  } catch (error) {
    for (const contender of running) await contender.close();
    throw error;
  }
}

function rowsOf(results: Results, setting: Setting, threads: number, model: ModelText, bandwidth: Bandwidth): Row[] {
  const label = (of: string) => `${of} ${setting.promptTokens}, ${threads} thread${threads === 1 ? "" : "s"}`;
  const rows: Row[] = [];
  if (setting.reads !== "prefill") {
    for (const [contender, runs] of results) {
      const stepMs = runs.map((run) => run.stepMs);
      const measures = {
        decode: spread(stepMs.map((ms) => 1000 / ms)),
        stepMs: spread(stepMs),
        cpu: spread(runs.map((run) => run.stepCpuMs)),
      };
      rows.push({ setting: label("context"), contender, measures });
    }
    const bytes = bytesPerToken(model, setting.promptTokens);
    const decode = single((bandwidth.bestGBs * 1e9) / bytes);
    rows.push({ setting: label("context"), contender: "memory bandwidth", measures: { decode } });
  }
  if (setting.reads !== "decode") {
    for (const [contender, runs] of results) {
      const firstMs = runs.map((run) => run.firstMs);
      const prefill = spread(firstMs.map((ms) => (1000 * setting.promptTokens) / ms));
      rows.push({ setting: label("prompt"), contender, measures: { prefill, firstMs: spread(firstMs) } });
    }
  }
  return rows;
}

function ratiosOf(results: Results, { promptTokens, reads }: Setting, suffix: string): Record<string, number> {
  const times = (contender: string, key: "stepMs" | "firstMs") => (results.get(contender) ?? []).map((run) => run[key]);
  // Speeds divide the other way round than times.
  const speed = (other: string, key: "stepMs" | "firstMs") => pairedRatio(times(other, key), times(ours, key));
  const length = promptTokens === 4096 ? "4k" : "";
  const ratios: Record<string, number> = {};
  if (reads === "decode" || promptTokens === 4096) {
    ratios[`vsNodeLlamaCpp${length}${suffix}`] = speed(rival, "stepMs");
    ratios[`vsLlamaDecode${length}${suffix}`] = speed(bare, "stepMs");
    if (results.has(rivalPlain)) {
      const best = Math.min(speed(rival, "stepMs"), speed(rivalPlain, "stepMs"));
      ratios[`vsBestOfNodeLlamaCpp${length}${suffix}`] = best;
    }
  }
  if (reads !== "decode") {
    ratios[`prefillVsNodeLlamaCpp${length}${suffix}`] = speed(rival, "firstMs");
    ratios[`prefillVsLlamaDecode${length}${suffix}`] = speed(bare, "firstMs");
  }
  return ratios;
}

/** Where a token's time goes, from runs with a clock around the native call. */
async function profileOf(quire: Running, task: DecodeTask, rounds: number) {
  const shares: number[] = [];
  const outside: number[] = [];
  const hop: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const { stepMs, profile } = await quire.run({ ...task, profile: true });
    if (profile === undefined) continue;
    shares.push((stepMs - profile.computeMs) / stepMs);
    outside.push(stepMs - profile.computeMs);
    hop.push(profile.computeMs - profile.nativeMs);
  }
  const us = (values: readonly number[]) => `${Math.round(median(values) * 1000)} µs`;
  return {
    ratios: (suffix: string) => ({ [`tsShareOfToken${suffix}`]: median(shares) }),
    note: `Quire spends ${us(outside)} a token outside native code; waiting for the native call on another thread costs ${us(hop)} more than calling it on this one (difference of two runs, so uncertain on a busy machine).`,
  };
}

function bytesPerToken({ weightBytes, cacheBytesPerToken }: ModelText, context: number): number {
  return weightBytes + cacheBytesPerToken * context;
}

function roofNote({ threads, readGBs, copyGBs, bestGBs }: Bandwidth, model: ModelText): string {
  const roof = (context: number) => ((bestGBs * 1e9) / bytesPerToken(model, context)).toFixed(0);
  return `Memory bandwidth with ${threads} thread${threads === 1 ? "" : "s"}: ${readGBs.toFixed(1)} GB/s reading, ${copyGBs.toFixed(1)} GB/s copying; a token reads ${(model.weightBytes / 1e6).toFixed(0)} MB of weights, so the roof is ${roof(128)} tokens/s at 128 tokens of context and ${roof(4096)} at 4,096 (what fits the processor's caches is read faster).`;
}
