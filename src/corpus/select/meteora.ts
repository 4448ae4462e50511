/** METEORA: passages chosen by written rationales instead of ranked, as many as stand out, and verified on request.
 *  Paper    "Ranking Free RAG: Replacing Re-ranking with Selection in RAG for Sensitive Domains", arXiv 2505.16014
 *  Takes    candidates of hybrid searches by the question and by each rationale; a model that writes rationales; embeddings
 *  Does     pairs each rationale with its nearest passage, adds those that stand out for all rationales together (an elbow, no k),
 *           and the passages before and after; a verifier may drop what is suspicious
 *  Gives    evidence in document order; each passage says which rationale chose it
 *  Cost     1 answer of up to 512 tokens, an embedding a rationale, a search a rationale; verify: up to 3 short answers a passage
 *  Differs  the elbow's fallback cuts before the steepest drop, the paper's code one earlier; the budget is held last, neighbours go
 *           first; verify is off unless asked for; the rationale model is the one at hand, not one trained for it
 *  Not      corag (values combinations, holds the budget while choosing), rerank (a ranking and a k)
 *  Errors   `unsupported` without embeddings; `bad-input` where the index was made with another embedding model. A model that
 *           writes nothing usable is no error: the question stands in for rationales, and a note says so */

import { z } from "zod";
import { QuireError } from "../../errors.js";
import type { Chunk } from "../document.js";
import { fuseRankings } from "../index/fuse.js";
import { checkedBudget, shownText } from "./fill-budget.js";
import { elbow } from "./rationales/elbow.js";
import { verifyPassages } from "./rationales/verify-passages.js";
import { type Rationales, writeRationales } from "./rationales/write-rationales.js";
import {
  type Candidate,
  type CandidateSource,
  type Evidence,
  type EvidenceBudget,
  type SelectContext,
  selector,
} from "./selector.js";

const options = z.object({
  rationales: z.int().min(1).max(20).default(5).describe("Rationales asked for, 1 to 20."),
  z: z
    .number()
    .positive()
    .default(1)
    .describe("Deviations above the mean drop at which the row of scores bends, above 0."),
  window: z.int().min(0).max(10).default(1).describe("Neighbours taken along on each side, 0 to 10."),
  distinct: z.boolean().default(false).describe("Each rationale takes a passage of its own."),
  pool: z.int().min(1).max(1000).default(50).describe("Candidates among which is chosen, 1 to 1,000."),
  verify: z.boolean().default(false).describe("A model reads what was chosen and drops what is suspicious."),
  onError: z.enum(["keep", "drop"]).default("keep").describe("What becomes of a passage whose verdict cannot be read."),
});

/** Why a passage is in: rationales that are nearest to it, its rank for all together, or whose neighbour it is. */
interface Chosen {
  readonly chunk: Chunk;
  readonly score: number;
  readonly paired: number[];
  rank: number | undefined;
  neighbourOf: Chunk | undefined;
}

export const meteora = selector({
  name: "meteora",
  title: "passages that written rationales point to, as many as stand out",
  options,
  create: (settings, label) => async (question, source, budget, context) => {
    const most = checkedBudget(budget);
    const { embed, signal } = context;
    const first = await source.search(question, { k: settings.pool, signal });
    if (first.length === 0) return [];
    if (embed === undefined) throw needsEmbedder();
    const rationales = await writeRationales(question, settings.rationales, context);
    const pool = await candidates(first, source, rationales, settings.pool, signal);
    const points = await embed(
      rationales.list.map(({ text }) => text),
      signal,
    );
    const vectors = await vectorsOf(pool, context, points[0]!.length);
    const chosen = choose(pool, vectors, points, settings);
    await addNeighbours(chosen, source, settings.window, meanOf(points.map(unit)), context);
    const kept = withinBudget([...chosen.values()], most, context);
    for (const [i, { text }] of rationales.list.entries()) {
      const pairs = kept.filter(({ paired }) => paired.includes(i)).map(({ chunk }) => place(chunk));
      const led = pairs.length === 0 ? "its passage is not among the evidence" : `led to ${pairs.join(", ")}`;
      context.onNote?.({
        kind: "rationale",
        text: `${rationales.from === "model" ? `Rationale ${i + 1}` : "The question"}: ${text} (${led}).`,
      });
    }
    const evidence = kept.map((one) => asEvidence(one, rationales, pool.length, label));
    return settings.verify ? verified(evidence, question, rationales, settings, context) : evidence;
  },
});

/** A pool of fixed size, since where the scores bend depends on how many there are; in document order. */
async function candidates(
  first: readonly Candidate[],
  source: CandidateSource,
  rationales: Rationales,
  size: number,
  signal: AbortSignal | undefined,
): Promise<Candidate[]> {
  const searches = [first];
  if (rationales.from === "model") {
    for (const { text } of rationales.list) searches.push(await source.search(text, { k: size, signal }));
  }
  const seen = new Set<string>();
  const pool: Candidate[] = [];
  for (const { item } of fuseRankings(searches, ({ chunk }) => chunk.id)) {
    const words = plain(item.chunk.text);
    if (pool.length >= size || words === "" || seen.has(words)) continue;
    seen.add(words);
    pool.push(item);
  }
  return pool.sort((a, b) => inDocumentOrder(a.chunk, b.chunk));
}

/** Pairing and pooling. */
function choose(
  pool: readonly Candidate[],
  vectors: readonly Float32Array[],
  points: readonly Float32Array[],
  { distinct, z: threshold }: z.output<typeof options>,
): Map<string, Chosen> {
  const middle = meanOf(points.map(unit));
  const pooled = vectors.map((vector) => cosine(vector, middle));
  const chosen = new Map<string, Chosen>();
  const take = (i: number): Chosen => {
    const { chunk } = pool[i]!;
    const known = chosen.get(chunk.id) ?? {
      chunk,
      score: pooled[i]!,
      paired: [],
      rank: undefined,
      neighbourOf: undefined,
    };
    chosen.set(chunk.id, known);
    return known;
  };
  const taken = new Set<number>();
  for (const [r, point] of points.entries()) {
    let best = -1;
    let most = Number.NEGATIVE_INFINITY;
    for (const [i, vector] of vectors.entries()) {
      const near = cosine(vector, point);
      if ((distinct && taken.has(i)) || near <= most) continue;
      best = i;
      most = near;
    }
    if (best < 0) continue;
    taken.add(best);
    take(best).paired.push(r);
  }
  const order = [...pool.keys()].sort((a, b) => pooled[b]! - pooled[a]! || a - b);
  const standingOut = elbow(
    order.map((i) => pooled[i]!),
    threshold,
  );
  for (const [rank, i] of order.slice(0, standingOut).entries()) take(i).rank = rank + 1;
  return chosen;
}

async function addNeighbours(
  chosen: Map<string, Chosen>,
  source: CandidateSource,
  window: number,
  middle: Float32Array,
  { embed, signal }: SelectContext,
): Promise<void> {
  if (window === 0) return;
  const texts = new Set([...chosen.values()].map(({ chunk }) => plain(chunk.text)));
  const fresh: { chunk: Chunk; of: Chunk }[] = [];
  for (const { chunk } of [...chosen.values()].sort((a, b) => inDocumentOrder(a.chunk, b.chunk))) {
    for (const near of await source.neighbours(chunk, window)) {
      const words = plain(near.text);
      if (near.uri !== chunk.uri || words === "" || texts.has(words)) continue;
      texts.add(words);
      fresh.push({ chunk: near, of: chunk });
    }
  }
  if (fresh.length === 0) return;
  const vectors = await embed!(
    fresh.map(({ chunk }) => shownText(chunk)),
    signal,
  );
  for (const [i, { chunk, of }] of fresh.entries()) {
    const score = cosine(vectors[i]!, middle);
    chosen.set(chunk.id, { chunk, score, paired: [], rank: undefined, neighbourOf: of });
  }
}

/** What is over the budget goes: neighbours first, then what only stood out, then what a rationale chose; the least alike first. */
function withinBudget(
  chosen: readonly Chosen[],
  most: Required<EvidenceBudget>,
  { countTokens, onNote }: SelectContext,
): Chosen[] {
  const strength = ({ paired, rank }: Chosen) => (paired.length > 0 ? 2 : rank !== undefined ? 1 : 0);
  const strongest = [...chosen].sort((a, b) => strength(b) - strength(a) || b.score - a.score);
  const kept: Chosen[] = [];
  let left = most.tokens;
  for (const one of strongest) {
    const tokens = countTokens(shownText(one.chunk));
    if (kept.length < most.passages && tokens <= left) {
      left -= tokens;
      kept.push(one);
      continue;
    }
    const what = ["a neighbour", "standing out", "chosen by a rationale"][strength(one)]!;
    onNote?.({ kind: "dropped", text: `No room in the budget for ${place(one.chunk)} (${what}).`, chunk: one.chunk });
  }
  return kept.sort((a, b) => inDocumentOrder(a.chunk, b.chunk));
}

function asEvidence(
  { chunk, score, paired, rank, neighbourOf }: Chosen,
  { list, from }: Rationales,
  of: number,
  by: string,
): Evidence {
  const named = paired.map((r) =>
    from === "question" ? "the question" : `rationale ${r + 1} “${short(list[r]!.text)}”`,
  );
  const whole = from === "question" ? "the question" : "all rationales together";
  const parts = [
    ...(named.length === 0 ? [] : [`Nearest to ${named.join(" and ")}`]),
    ...(rank === undefined ? [] : [`rank ${rank} of ${of} for ${whole} (similarity ${score.toFixed(2)})`]),
    ...(neighbourOf === undefined ? [] : [`neighbour of ${place(neighbourOf)}`]),
  ];
  const reason = parts.join("; ");
  return { chunk, score, reason: `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`, by };
}

async function verified(
  evidence: readonly Evidence[],
  question: string,
  rationales: Rationales,
  { onError }: z.output<typeof options>,
  context: SelectContext,
): Promise<Evidence[]> {
  const { generate, onNote, signal } = context;
  if (generate === undefined) {
    onNote?.({ kind: "fallback", text: "No model is at hand to verify what was chosen; nothing was checked." });
    return [...evidence];
  }
  const flags = rationales.list.map(({ flag }) => flag).filter((flag) => flag !== "");
  const chunks = evidence.map(({ chunk }) => chunk);
  const verdicts = await verifyPassages(chunks, { question, flags, onError }, { generate, signal });
  return evidence.filter(({ chunk }, i) => {
    const { flagged, types, explanation, unread } = verdicts[i]!;
    if (unread) {
      const text = `The verdict on ${place(chunk)} could not be read; it was ${flagged ? "dropped" : "kept"}.`;
      onNote?.({ kind: "fallback", text, chunk });
    } else if (flagged) {
      const why = [types.join(", ").toLowerCase(), explanation].filter((part) => part !== "").join(": ");
      onNote?.({
        kind: "flagged",
        text: `Left out as suspicious: ${place(chunk)}${why === "" ? "" : ` (${why})`}.`,
        chunk,
      });
    }
    return !flagged;
  });
}

async function vectorsOf(
  pool: readonly Candidate[],
  { embed, signal }: SelectContext,
  dimensions: number,
): Promise<Float32Array[]> {
  const missing = pool.filter(({ vector }) => vector === undefined);
  const made =
    missing.length === 0
      ? []
      : await embed!(
          missing.map(({ chunk }) => shownText(chunk)),
          signal,
        );
  const vectors = pool.map(({ vector }) => vector ?? made.shift()!);
  const odd = vectors.find(({ length }) => length !== dimensions);
  if (odd === undefined) return vectors;
  throw new QuireError("bad-input", "The index was made with another embedding model than the one at hand.", {
    got: `${odd.length} dimensions in the index`,
    expected: `${dimensions} dimensions`,
    fix: "Index the folder again, or open it with the model it was indexed with.",
  });
}

function needsEmbedder(): QuireError {
  return new QuireError("unsupported", "meteora compares rationales with passages and needs an embedding model.", {
    got: "no embedder",
    expected: "a folder opened with an embedding model",
    fix: "Choose the selector hybrid, or open the folder with an embedding model.",
  });
}

function place({ uri, startLine, endLine }: Chunk): string {
  return `${uri}:${startLine === endLine ? startLine : `${startLine}-${endLine}`}`;
}

function inDocumentOrder(a: Chunk, b: Chunk): number {
  return a.uri === b.uri ? a.startByte - b.startByte : a.uri < b.uri ? -1 : 1;
}

function plain(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function short(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 79).trimEnd()}…`;
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return length === 0 ? vector : vector.map((value) => value / length);
}

function meanOf(vectors: readonly Float32Array[]): Float32Array {
  const middle = new Float32Array(vectors[0]!.length);
  for (const vector of vectors) for (let i = 0; i < middle.length; i++) middle[i]! += vector[i]! / vectors.length;
  return middle;
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
