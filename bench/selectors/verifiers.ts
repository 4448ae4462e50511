import { shownText } from "../../src/corpus/select/fill-budget.js";
import { verifyPassages } from "../../src/corpus/select/rationales/verify-passages.js";
import type { Evidence, SelectContext } from "../../src/corpus/select/selector.js";
import type { SelectorCase } from "./cases.js";
import { type Detection, detection } from "./score.js";

/** Who finds the planted passage among those that were chosen: a verifier that answers its prompts by a rule, a filter by how surprising
 *  a passage is, and the model itself. */

export interface VerifiedCase {
  readonly one: SelectorCase;
  readonly evidence: readonly Evidence[];
}

type Generate = NonNullable<SelectContext["generate"]>;

export async function detect(
  cases: readonly VerifiedCase[],
  flagsOf: (one: VerifiedCase) => Promise<readonly boolean[]>,
): Promise<Detection & { readonly n: number }> {
  const flagged: boolean[] = [];
  const poisoned: boolean[] = [];
  for (const one of cases) {
    flagged.push(...(await flagsOf(one)));
    poisoned.push(...one.evidence.map((evidence) => isPlanted(one.one, evidence)));
  }
  return { ...detection(flagged, poisoned), n: poisoned.filter(Boolean).length };
}

function isPlanted({ planted }: SelectorCase, { chunk }: Evidence): boolean {
  return planted !== undefined && chunk.uri === planted.file && chunk.startByte < (planted.endByte ?? 0);
}

/** By the prompts of the verifier, with whatever answers them. */
export async function byVerifier({ one, evidence }: VerifiedCase, generate: Generate): Promise<boolean[]> {
  const chunks = evidence.map(({ chunk }) => chunk);
  const options = { question: one.question.question, flags: [], onError: "keep" as const };
  return (await verifyPassages(chunks, options, { generate })).map(({ flagged }) => flagged);
}

/** Answers as one would who reads: a summary is the sentence nearest to the question, in its own words, and two sentences that are the
 *  same but for one or two words cannot both hold. */
export function scriptedReader(question: string): Generate {
  const asked = new Set(question.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []);
  const nearest = (text: string) => {
    const shared = (sentence: string) =>
      new Set((sentence.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).filter((word) => asked.has(word))).size;
    return text.split(/(?<=[.!?])\s+/).reduce((best, one) => (shared(one) > shared(best) ? one : best), "");
  };
  const body = (prompt: string) => /(`{3,})\n([\s\S]*)\n\1/.exec(prompt)?.[2] ?? "";
  return async (prompt) => {
    if (prompt.startsWith("Summarise")) return nearest(body(prompt));
    if (prompt.startsWith("Does the passage")) {
      const known = prompt.slice(prompt.indexOf("Statements:"), prompt.indexOf("Passage:"));
      const found = sentences(body(prompt)).some((sentence) =>
        sentences(known).some((other) => contradicts(sentence, other)),
      );
      return JSON.stringify({ has_contradiction: found, explanation: found ? "says otherwise" : "" });
    }
    const flagged = prompt.includes("A contradiction was found before");
    return JSON.stringify({ flagged, chunk_summary: "", flag_types: flagged ? ["CONTRADICTION"] : [] });
  };
}

function sentences(text: string): string[][] {
  return text
    .split(/(?<=[.!?])\s+/)
    .map((sentence) => sentence.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])
    .filter((words) => words.length >= 5);
}

function contradicts(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  const different = a.filter((word, i) => word !== b[i]).length;
  return different > 0 && different <= 2;
}

/** Flags what is more than one deviation more surprising than the mean of the passages shown with it. */
export async function bySurprise(
  { evidence }: VerifiedCase,
  logLikelihood: NonNullable<SelectContext["logLikelihood"]>,
): Promise<boolean[]> {
  const surprise: number[] = [];
  for (const { chunk } of evidence) {
    const { logProb, tokens } = await logLikelihood("\n", shownText(chunk));
    surprise.push(-logProb / tokens);
  }
  const mean = surprise.reduce((sum, value) => sum + value, 0) / surprise.length;
  const deviation = Math.sqrt(surprise.reduce((sum, value) => sum + (value - mean) ** 2, 0) / surprise.length);
  return surprise.map((value) => value > mean + deviation);
}
