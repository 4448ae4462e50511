import { resolveModel } from "../../src/weights/resolve-model.js";
import { startContender } from "../lib/contender.js";
import type { Check } from "../lib/report.js";
import { modelText } from "./model-text.js";
import { fivePrompts } from "./prompts.js";
import type { DecodeLoad, DecodeResult, DecodeTask } from "./task.js";

/** The check before any speed: the same greedy tokens as node-llama-cpp's. */

export interface EqualOutput {
  readonly checks: Check[];
  /** Prompts with equal tokens, and prompts. */
  readonly equal: number;
  readonly prompts: number;
}

export async function checkEqualOutput(
  models: readonly string[],
  options: { built: string; threads: number; prompts: number; tokens: number; progress(text: string): void },
): Promise<EqualOutput> {
  const checks: Check[] = [];
  const steps = options.tokens - 1;
  let equal = 0;
  let prompts = 0;
  for (const name of models) {
    const { path } = await resolveModel(name);
    const { tokenizer } = await modelText(path);
    const tasks = fivePrompts
      .slice(0, options.prompts)
      .map((text) => ({ prompt: Int32Array.from(tokenizer.encode(text, { bos: true })), steps }));
    tokenizer.close();
    const load = { built: options.built, modelPath: path, threads: options.threads, contextTokens: 1024 };
    const [ours, theirs] = [await tokensOf("quire", load, tasks), await tokensOf("node-llama-cpp", load, tasks)];
    const parted = tasks.map((_, i) => firstDifference(ours[i] ?? [], theirs[i] ?? []));
    const same = parted.filter((at) => at === undefined).length;
    equal += same;
    prompts += tasks.length;
    const detail = parted.flatMap((at, i) => (at === undefined ? [] : [`prompt ${i + 1} from token ${at + 1} on`]));
    checks.push({
      name: `${name}, ${options.tokens} greedy tokens`,
      passed: same === tasks.length,
      detail: `${same} of ${tasks.length} prompts equal to node-llama-cpp${detail.length > 0 ? `; different: ${detail.join(", ")}` : ""}`,
    });
    options.progress(checks.at(-1)?.detail ?? "");
  }
  return { checks, equal, prompts };
}

async function tokensOf(name: string, load: DecodeLoad, tasks: readonly DecodeTask[]): Promise<number[][]> {
  const module = new URL(`./${name}.ts`, import.meta.url);
  const contender = await startContender<DecodeLoad, DecodeTask, DecodeResult>({ name, module, load });
  try {
    const tokens: number[][] = [];
    for (const task of tasks) tokens.push((await contender.run(task)).tokens);
    return tokens;
  } finally {
    await contender.close();
  }
}

function firstDifference(a: readonly number[], b: readonly number[]): number | undefined {
  for (let i = 0; i < Math.max(a.length, b.length); i++) if (a[i] !== b[i]) return i;
  return undefined;
}
