import { type TextPositions, textPositions } from "../corpus/lines.js";
import type { Evidence } from "../corpus/select/selector.js";
import { type Span, sentenceSpans } from "./sentences.js";
import { contentWords, isNumber, stems } from "./words.js";

/** How well a passage, and which sentences of it, bear out a claim or speak to a question: by shared words, rare ones counting
 *  more. Everything `ask` quotes comes from here, as ranges of the passage, never as rewritten text. */

export interface Passage {
  readonly evidence: Evidence;
  readonly positions: TextPositions;
  readonly sentences: readonly (Span & { readonly words: ReadonlySet<string> })[];
  /** Words of file name and headings: what the passage is about without saying it again. */
  readonly about: ReadonlySet<string>;
}

export interface Support {
  /** Which passage, 0-based. */
  readonly passage: number;
  /** Sentences [first, last] of it. */
  readonly first: number;
  readonly last: number;
  /** 0 to 1: share of the claim's words, by weight, that stand there. */
  readonly support: number;
}

export function preparePassages(evidence: readonly Evidence[]): Passage[] {
  return evidence.map((one) => {
    const { text, header, uri } = one.chunk;
    const sentences = sentenceSpans(text).map((span) => ({ ...span, words: stems(text.slice(span.start, span.end)) }));
    return { evidence: one, positions: textPositions(text), sentences, about: stems(`${uri} ${header}`) };
  });
}

export type Weigh = (stem: string) => number;

/** Rare words weigh more; a word found nowhere weighs most. */
export function weights(passages: readonly Passage[]): Weigh {
  const seenIn = new Map<string, number>();
  let sentences = 0;
  for (const passage of passages) {
    for (const { words } of passage.sentences) {
      sentences += 1;
      for (const word of words) seenIn.set(word, (seenIn.get(word) ?? 0) + 1);
    }
  }
  return (word) => Math.log(1 + (sentences + 1) / (1 + (seenIn.get(word) ?? 0)));
}

export interface SupportOptions {
  readonly weigh: Weigh;
  /** Breaks ties: words of the question, for claims too short to tell places apart. */
  readonly question?: ReadonlySet<string>;
  /** What a word counts that stands in the headings or file name only; default 0.5. */
  readonly aboutShare?: number;
}

const bothSentencesMustAdd = 0.15;
const tieBreak = 0.001;

/** The best place for a claim in one passage; undefined if no word of it stands there. */
export function supportIn(
  passage: Passage,
  index: number,
  claim: ReadonlySet<string>,
  options: SupportOptions,
): Support | undefined {
  const { weigh, question = new Set<string>(), aboutShare = 0.5 } = options;
  const all = sum(claim, weigh);
  if (all === 0) return;
  const share = (words: ReadonlySet<string>): number => {
    let got = 0;
    let numbersMissing = false;
    for (const word of claim) {
      if (words.has(word)) got += weigh(word);
      else if (isNumber(word)) numbersMissing = true;
      else if (passage.about.has(word)) got += aboutShare * weigh(word);
    }
    return (got / all) * (numbersMissing ? 0.5 : 1);
  };
  let best: (Support & { rank: number }) | undefined;
  passage.sentences.forEach((sentence, i) => {
    const alone = share(sentence.words);
    const next = passage.sentences[i + 1];
    const pair = next === undefined ? 0 : share(new Set([...sentence.words, ...next.words]));
    const nextAlone = next === undefined ? 0 : share(next.words);
    const both = pair > Math.max(alone, nextAlone) + bothSentencesMustAdd;
    const support = both ? pair : alone;
    const words = both && next !== undefined ? new Set([...sentence.words, ...next.words]) : sentence.words;
    const rank = support + tieBreak * [...question].filter((word) => words.has(word)).length;
    if (!sharesAny(claim, words)) return;
    if (best === undefined || rank > best.rank) {
      best = { passage: index, first: i, last: both ? i + 1 : i, support, rank };
    }
  });
  return best;
}

/** The best place of every passage that has one, best first. */
export function supportedBy(passages: readonly Passage[], claim: string, options: SupportOptions): Support[] {
  const words = stems(claim);
  return passages
    .flatMap((passage, i) => supportIn(passage, i, words, options) ?? [])
    .sort((a, b) => b.support - a.support || a.passage - b.passage);
}

/** Capitalised words that are not in `known`, as runs: names a sentence brings in. */
export function newNames(text: string, known: ReadonlySet<string>): string[] {
  const out: string[] = [];
  for (const [run] of text.matchAll(/\p{Lu}[\p{L}\p{M}'’-]+(?:\s+\p{Lu}[\p{L}\p{M}'’-]+)*/gu)) {
    const fresh = contentWords(run).filter(({ stem }) => !known.has(stem));
    if (fresh.length > 0) out.push(fresh.map(({ shown }) => shown).join(" "));
  }
  return out;
}

function sum(words: ReadonlySet<string>, weigh: Weigh): number {
  let total = 0;
  for (const word of words) total += weigh(word);
  return total;
}

function sharesAny(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const word of a) if (b.has(word)) return true;
  return false;
}
