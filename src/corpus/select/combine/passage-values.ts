/** Values of passages, alone or joined: how much likelier they make the question, or how well they cover it. All lie in (0, 1) and
 *  compare within one question, so that settings of a search mean the same whatever gives the values. */

import { QuireError, throwIfAborted } from "../../../errors.js";
import { shownText } from "../fill-budget.js";
import type { Candidate, SelectContext } from "../selector.js";

export type ValueKind = "likelihood" | "coverage";

export interface PassageValues {
  readonly kind: ValueKind;
  /** Of nothing at all. */
  readonly empty: number;
  /** One value for each list of candidates' numbers, NaN where there is none; fewer when `stop` said so. */
  valuesOf(lists: readonly (readonly number[])[], stop?: () => boolean): Promise<number[]>;
}

type Hooks = Pick<SelectContext, "logLikelihood" | "embed" | "signal">;

/** By likelihood where the model at hand can give one, else by embeddings. */
export function kindAtHand(wanted: ValueKind | "auto", { logLikelihood, embed }: Hooks, who: string): ValueKind {
  const can = { likelihood: logLikelihood !== undefined, coverage: embed !== undefined };
  const kind = wanted === "auto" ? (can.likelihood ? "likelihood" : "coverage") : wanted;
  if (can[kind]) return kind;
  throw new QuireError(
    "unsupported",
    kind === "likelihood"
      ? `${who} values passages by a model's likelihoods, and this model gives none.`
      : `${who} values passages by embeddings, and there is no embedding model.`,
    {
      got: { likelihood: can.likelihood, coverage: can.coverage },
      expected: wanted === "auto" ? "a local model, or an embedding model" : wanted,
      fix: "Open the folder with an embedding model, or choose the selector hybrid.",
    },
  );
}

export async function passageValues(
  kind: ValueKind,
  question: string,
  candidates: readonly Candidate[],
  hooks: Hooks,
): Promise<PassageValues> {
  return kind === "likelihood" ? byLikelihood(question, candidates, hooks) : byCoverage(question, candidates, hooks);
}

/** sigmoid(4 z), z = mean log-probability of the question's tokens after the passages less the same after none. The passages come
 *  first, so that lists with the same beginning share what the model has read of it. */
async function byLikelihood(
  question: string,
  candidates: readonly Candidate[],
  { logLikelihood, signal }: Hooks,
): Promise<PassageValues> {
  const texts = candidates.map(({ chunk }) => shownText(chunk));
  const mean = async (passages: readonly string[]): Promise<number> => {
    throwIfAborted(signal);
    const { logProb, tokens } = await logLikelihood!(questionAfter(passages), ` ${question}`, signal);
    return logProb / tokens;
  };
  const alone = await mean([]);
  return {
    kind: "likelihood",
    empty: 0.5,
    async valuesOf(lists, stop) {
      const values: number[] = [];
      for (const list of lists) {
        if (stop?.()) break;
        values.push(sigmoid(4 * ((await mean(list.map((i) => texts[i]!))) - alone)));
      }
      return values;
    },
  };
}

export function questionAfter(passages: readonly string[]): string {
  return `Context:\n${passages.join("\n\n")}\n\nQuestion:`;
}

/** Mean over the question's parts of the nearest chosen passage's cosine, less a tenth of the chosen passages' mean likeness. */
async function byCoverage(
  question: string,
  candidates: readonly Candidate[],
  { embed, signal }: Hooks,
): Promise<PassageValues> {
  throwIfAborted(signal);
  const parts = questionParts(question);
  const known = candidates.every(({ vector }) => vector !== undefined);
  const texts = known ? [] : candidates.map(({ chunk }) => shownText(chunk));
  const rows = await embed!([...parts, ...texts], signal);
  const asked = rows.slice(0, parts.length);
  const vectors = known ? candidates.map(({ vector }) => vector!) : rows.slice(parts.length);
  const near = vectors.map((vector) => asked.map((part) => cosine(part, vector)));
  const valueOfList = (list: readonly number[]): number => {
    if (list.length === 0) return 0;
    const covered = mean(asked.map((_, part) => Math.max(...list.map((i) => near[i]![part]!))));
    const pairs = list.flatMap((a, i) => list.slice(i + 1).map((b) => cosine(vectors[a]!, vectors[b]!)));
    const value = covered - 0.1 * (pairs.length === 0 ? 0 : mean(pairs));
    return Number.isNaN(value) ? value : Math.min(1, Math.max(0, value));
  };
  return { kind: "coverage", empty: 0, valuesOf: async (lists) => lists.map(valueOfList) };
}

/** Sentences; a question of one sentence is cut at the words that hang one thing on another, each part with at least two words. */
export function questionParts(question: string): string[] {
  const sentences = question.match(/[^.!?。！？]+[.!?。！？]*/gu)?.map((part) => part.trim()) ?? [];
  const whole = sentences.filter((part) => /[\p{L}\p{N}]/u.test(part));
  if (whole.length !== 1) return whole.length === 0 ? [question] : whole;
  const pieces = question
    .split(/\s*[,;]\s+|\s+(?:of|that|which|who|whose|where|when|and|or|in|by|from|with)\s+/iu)
    .filter((piece) => (piece.match(/[\p{L}\p{N}]{3,}/gu)?.length ?? 0) >= 2);
  return pieces.length > 1 ? [question, ...pieces] : [question];
}

function sigmoid(z: number): number {
  return 1 / (1 + Math.exp(-z));
}

function cosine(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  let [aa, bb] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return aa === 0 || bb === 0 ? 0 : dot / Math.sqrt(aa * bb);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
