/** A model names the units at which a new part of a file should begin: in one answer over the whole file (`list`), or boundary by
 *  boundary as the odds of two answers (`score`). Markers before units exist only in prompts. */

import { createHash } from "node:crypto";
import { isQuireError, QuireError, throwIfAborted } from "../../../errors.js";
import type { TextScoring } from "../../../text/text-scoring.js";
import type { IndexRange } from "../build-chunk.js";
import type { ChunkModel } from "../chunker.js";
import type { TokenMeasure } from "./token-measure.js";

export interface AskedFile {
  readonly text: string;
  readonly language: string;
  readonly units: readonly IndexRange[];
  readonly measure: TokenMeasure;
  readonly limit: number;
  readonly signal?: AbortSignal;
}

/** Random ids of 8 signs, the same for the same seed, different from each other and from everything in the text. */
export function unitIds(text: string, count: number, seed: number): string[] {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  const taken = new Set<string>();
  for (let draw = 0; taken.size < count; draw++) {
    const bytes = createHash("sha256").update(`${seed} ${draw}`).digest().subarray(0, 8);
    const id = Array.from(bytes, (byte) => alphabet[byte % 36]).join("");
    if (!text.includes(id)) taken.add(id);
  }
  return [...taken];
}

/** Tokens of the question around a file, with a chat template. */
const frameTokens = 260;
const markerTokens = 12;

export interface ListOptions {
  readonly seed: number;
  /** Share of the context that a window of the file takes. */
  readonly share: number;
}

/** 1 for every unit that was named, else 0. Throws bad-input where the model's answer cannot be used, twice. */
export async function listedCuts(
  file: AskedFile,
  model: ChunkModel,
  answer: NonNullable<ChunkModel["answer"]>,
  { seed, share }: ListOptions,
): Promise<number[]> {
  const { text, units, measure, signal } = file;
  const ids = unitIds(text, units.length, seed);
  const scores = units.map(() => 0);
  const room = Math.floor(model.contextTokens * share) - frameTokens;
  let decided = 0;
  for (let from = 0; from < units.length && decided < units.length; ) {
    throwIfAborted(signal);
    let to = from + 1;
    const size = (end: number) => measure.tokens(units[from]!.start, units[end - 1]!.end) + markerTokens * (end - from);
    while (to < units.length && size(to + 1) <= room) to++;
    const named = to - from > 1 ? await askForCuts(file, ids, from, to, model, answer) : [];
    // What is near the window's end is decided by the next one, which sees what follows.
    const end = to === units.length ? to : Math.max(from + 1, from + Math.ceil(0.8 * (to - from)));
    const kept = named.filter((unit) => unit < end);
    for (const unit of kept) if (unit >= decided && unit > 0) scores[unit] = 1;
    decided = Math.max(decided, end);
    const last = kept.at(-1);
    from = to === units.length ? to : last !== undefined && last > from ? last : end;
  }
  return scores;
}

async function askForCuts(
  { text, units, language, limit, signal }: AskedFile,
  ids: readonly string[],
  from: number,
  to: number,
  model: ChunkModel,
  answer: NonNullable<ChunkModel["answer"]>,
): Promise<number[]> {
  const allowed = ids.slice(from, to);
  const marked = units.slice(from, to).map(({ start, end }, i) => `@@${allowed[i]}\n${text.slice(start, end)}`);
  const body = marked.map((part) => (part.endsWith("\n") ? part : `${part}\n`)).join("");
  const prompt = `Here is a file of ${language} code. A line @@ID stands before each of its units.

${body}
Divide the file into parts, so that each part is a coherent piece of functionality of at most ${limit} tokens. Name the IDs of the units at which a new part should begin, in the order of the file, as JSON: {"starts": ["ID", ...]}.`;
  const schema = {
    type: "object",
    properties: { starts: { type: "array", items: { type: "string", enum: allowed }, maxItems: allowed.length } },
    required: ["starts"],
    additionalProperties: false,
  };
  const maxTokens = Math.min(markerTokens * allowed.length + 32, Math.max(32, Math.floor(model.contextTokens * 0.25)));
  let problem = "";
  for (let attempt = 0; attempt < 2; attempt++) {
    const again = attempt === 0 ? "" : `\nYour last answer could not be used: ${problem}.`;
    const reply = await answer(prompt + again, { schema, maxTokens, signal });
    const read = readStarts(reply, allowed);
    if (typeof read !== "string") return read.map((unit) => unit + from);
    problem = read;
  }
  throw new QuireError("bad-input", `The model's answer could not be used: ${problem}.`);
}

/** Places in the list of ids, or what is wrong with the answer. */
export function readStarts(reply: string, ids: readonly string[]): number[] | string {
  let value: unknown;
  try {
    value = JSON.parse(reply);
  } catch {
    return "it is not JSON";
  }
  const starts = Array.isArray(value) ? value : (value as { starts?: unknown } | null)?.starts;
  if (!Array.isArray(starts)) return "it is no list";
  const places = starts.map((id) => ids.indexOf(id as string));
  if (places.includes(-1)) return "it names an ID that there is not";
  if (places.some((place, i) => i > 0 && place <= places[i - 1]!)) return "its IDs are not in the order of the file";
  return places;
}

/** Boundaries asked about at once: they do not depend on each other. */
const asked = 8;
const aroundTokens = 500;

/** For each unit the share of "new part" among the two answers, less its mean over the file, so that leaning to one answer cancels. */
export async function scoredCuts(
  file: AskedFile,
  model: ChunkModel & { readonly scoring: TextScoring },
): Promise<number[]> {
  const { units, signal } = file;
  const shares: number[] = [];
  for (let from = 1; from < units.length; from += asked) {
    throwIfAborted(signal);
    const some = units.slice(from, from + asked);
    shares.push(
      ...(await Promise.all(
        some.map(async (_, i) => {
          const prompt = boundaryPrompt(file, from + i, model.contextTokens);
          const [same = 0, fresh = 0] = await model.scoring.choose(prompt, ["1", "2"], signal);
          return same + fresh > 0 ? fresh / (same + fresh) : 0.5;
        }),
      )),
    );
  }
  const bias = shares.length === 0 ? 0 : shares.reduce((sum, share) => sum + share, 0) / shares.length - 0.5;
  return [0, ...shares.map((share) => share - bias)];
}

function boundaryPrompt({ text, units, language, measure }: AskedFile, unit: number, contextTokens: number): string {
  const at = units[unit]!.start;
  const most = Math.max(16, Math.min(aroundTokens, Math.floor((contextTokens - frameTokens) / 2)));
  const before = text.slice(measure.reachBack(at, 0, most), at).trimEnd();
  const after = text.slice(at, measure.reach(at, text.length, most)).trimEnd();
  return `Two neighbouring pieces of a file of ${language} code:

First piece:
${before}

Second piece:
${after}

Does the second piece belong to the same part of the program as the first (1), or does a new part begin with it (2)? Answer with 1 or 2 only.`;
}

/** Whether another way may be tried after this error. */
export function isUnusableAnswer(error: unknown): boolean {
  return isQuireError(error) && error.code !== "cancelled" && error.code !== "native";
}
