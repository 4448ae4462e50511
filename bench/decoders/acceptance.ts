import { chain } from "../../src/decode/chain.js";
import type { Decoder } from "../../src/decode/decoder.js";
import { rsd } from "../../src/decode/rsd.js";
import { specinfer } from "../../src/decode/specinfer.js";
import { spectr } from "../../src/decode/spectr.js";
import type { Quire } from "../../src/quire.js";
import type { ResultsSoFar } from "../cache/results-so-far.js";

/** Tokens a call of the target, τ, at an equal number of drafted rows, and at an equal depth. */

export interface Accepted {
  readonly tokens: number;
  readonly calls: number;
  readonly drafted: number;
  readonly draftCalls: number;
  /** Of drafts tested at a depth, how many were right. */
  readonly byDepth: readonly number[];
}

export interface ShapedDecoder {
  readonly setting: string;
  readonly contender: string;
  readonly decoder: Decoder;
}

/** Shapes with so many rows: chain of B; constant branching and beams as near to B as they come. */
const byRows: Record<number, { branches: string; beam: [width: number, depth: number] }> = {
  6: { branches: "2-2", beam: [3, 2] },
  14: { branches: "2-2-2", beam: [7, 2] },
  30: { branches: "2-2-2-2", beam: [10, 3] },
};

export function shapedDecoders(draft: string, rows: readonly number[], depths: readonly number[]): ShapedDecoder[] {
  const made: ShapedDecoder[] = [];
  const add = (setting: string, depth: number, branches: string, beam: [number, number]) => {
    const [width, levels] = beam;
    const each: Record<string, Decoder> = {
      chain: chain({ draft, depth, adapt: false }),
      SpecInfer: specinfer({ draft, branches }),
      SpecTr: spectr({ draft, branches }),
      "RSD-C": rsd({ draft, shape: "constant", branches }),
      "RSD-S": rsd({ draft, shape: "beam", width, depth: levels }),
    };
    for (const [contender, decoder] of Object.entries(each)) made.push({ setting, contender, decoder });
  };
  for (const count of rows) {
    const shape = byRows[count];
    if (shape !== undefined) add(`${count} rows`, count, shape.branches, shape.beam);
  }
  for (const depth of depths) add(`depth ${depth}`, depth, new Array(depth).fill("2").join("-"), [3, depth]);
  return made;
}

export interface AcceptanceRun {
  readonly quire: Quire;
  readonly results: ResultsSoFar<Accepted>;
  readonly prompts: readonly string[];
  readonly tokens: number;
  readonly temperature: number;
  readonly seed: number;
}

/** All prompts with one decoder. */
export async function acceptance(decoder: Decoder, run: AcceptanceRun): Promise<Accepted> {
  const { quire, results, prompts, tokens, temperature, seed } = run;
  const key = `${decoder.label} ${temperature}`;
  const known = results.get(key);
  if (known !== undefined) return known;
  const sum: Record<string, number> = {};
  let emitted = 0;
  for (const [i, prompt] of prompts.entries()) {
    const result = await quire.complete(prompt, {
      ...{ decoder, temperature, maxTokens: tokens, ignoreEnd: true, seed: seed + i },
    });
    emitted += result.tokens.length - 1;
    for (const [name, value] of Object.entries(result.stats.decode)) sum[name] = (sum[name] ?? 0) + value;
  }
  const byDepth: number[] = [];
  for (let depth = 1; (sum[`testedAtDepth${depth}`] ?? 0) > 0; depth++)
    byDepth.push((sum[`acceptedAtDepth${depth}`] ?? 0) / (sum[`testedAtDepth${depth}`] as number));
  const { calls = 0, drafted = 0, draftCalls = 0 } = sum;
  // The first token came with the prompt.
  const accepted = { tokens: emitted, calls, drafted, draftCalls, byDepth };
  await results.add({ [key]: accepted });
  return accepted;
}
