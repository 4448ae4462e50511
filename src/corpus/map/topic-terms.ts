/** The words that set a topic apart from the topics beside it: those that many of its chunks hold and few of the others'. A term scores
 *  p · ln((p + e) / (q + e)), with p and q the shares of chunks that hold it in the topic and in the rest of its parent. Pairs of words
 *  that often stand together count as terms. */

import { buildVocabulary, mostUsed, singular, wordsOf } from "../graph/terms.js";
import type { Topic } from "./topic.js";

export interface TopicTerms {
  /** Best first. */
  termsOf(topic: Topic): readonly string[];
}

const shownTerms = 8;
/** Terms of a topic that are remembered when its parent is looked at. */
const keptTerms = 2000;
/** Chunks that a pair of words must be in, to count. */
const leastPairs = 3;
/** A pair says more than a word. */
const pairBonus = 1.35;

export function topicTerms(texts: readonly string[], root: Topic): TopicTerms {
  const terms = chunkTerms(texts);
  const chosen = new Map<Topic, readonly string[]>();
  const rootCounts = count(root);
  chosen.set(root, name(rootCounts, new Map(), root.chunks.length, 0));
  return { termsOf: (topic) => chosen.get(topic) ?? [] };

  /** Chunks by term, of a topic; and the words of the topics in it, which can be chosen once all beside them are known. */
  function count(topic: Topic): Map<number, number> {
    const counts = new Map<number, number>();
    if (topic.topics.length === 0) {
      for (const c of topic.chunks) for (const term of terms.of(c)) counts.set(term, (counts.get(term) ?? 0) + 1);
      return counts;
    }
    const parts = topic.topics.map((part) => ({ part, inside: count(part) }));
    for (const { inside } of parts) {
      for (const [term, chunks] of inside) counts.set(term, (counts.get(term) ?? 0) + chunks);
    }
    for (const { part, inside } of parts) {
      chosen.set(part, name(inside, counts, part.chunks.length, topic.chunks.length));
    }
    return counts.size <= keptTerms ? counts : mostFrequent(counts);
  }

  function name(inside: Map<number, number>, around: Map<number, number>, size: number, all: number): string[] {
    const rest = all - size;
    const e = 0.5 / Math.max(size, 1);
    const scored: { term: number; score: number }[] = [];
    for (const [term, chunks] of inside) {
      // What a single chunk says is no name of many.
      if (chunks < 2 && size > 3) continue;
      const p = chunks / size;
      const q = rest > 0 ? ((around.get(term) ?? chunks) - chunks) / rest : terms.share(term) / 2;
      const score = p * Math.log((p + e) / (q + e)) * (terms.isPair(term) ? pairBonus : 1);
      if (score > 0) scored.push({ term, score });
    }
    scored.sort((a, b) => b.score - a.score || a.term - b.term);
    return withoutRepeats(scored.slice(0, 60).map(({ term }) => terms.shown(term)));
  }
}

function mostFrequent(counts: Map<number, number>): Map<number, number> {
  return new Map([...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, keptTerms));
}

/** No word twice: a pair goes before its words, and words that share their beginning are one. */
function withoutRepeats(terms: readonly string[]): string[] {
  const kept: string[] = [];
  const used = new Set<string>();
  for (const term of terms) {
    const beginnings = term.toLowerCase().split(" ").map(beginning);
    if (beginnings.some((word) => used.has(word))) {
      // A pair that holds a word chosen before says it better, when that word stands alone.
      const single = kept.findIndex(
        (known) => !known.includes(" ") && beginnings.includes(beginning(known.toLowerCase())),
      );
      const others = beginnings.filter((word) => single < 0 || word !== beginning(kept[single]!.toLowerCase()));
      if (beginnings.length < 2 || single < 0 || others.some((word) => used.has(word))) continue;
      kept[single] = term;
      for (const word of others) used.add(word);
      continue;
    }
    if (kept.length === shownTerms) break;
    kept.push(term);
    for (const word of beginnings) used.add(word);
  }
  return kept;
}

function beginning(word: string): string {
  return word.length > 5 ? word.slice(0, Math.max(5, word.length - 3)) : word;
}

interface ChunkTerms {
  of(chunk: number): Iterable<number>;
  share(term: number): number;
  shown(term: number): string;
  isPair(term: number): boolean;
}

/** Words 0..W-1 of the vocabulary, then the pairs that are in several chunks. */
function chunkTerms(texts: readonly string[]): ChunkTerms {
  const vocabulary = buildVocabulary(texts);
  const { stems, shown, documentFrequency, offsets, terms } = vocabulary;
  const numbers = new Map(stems.map((stem, number) => [stem, number]));
  const words = stems.length;
  const seenIn = new Map<number, number>();
  /** Pairs of a chunk, each once, with the form in which it stands there first. */
  const pairsOf = (chunk: number): Map<number, string> => {
    const found = new Map<number, string>();
    let before = -1;
    let shownBefore = "";
    for (const { stem, shown: form, follows } of wordsOf(texts[chunk]!)) {
      const word = numbers.get(stem)!;
      const usual = documentFrequency[word]! >= leastPairs;
      const pair = before * words + word;
      if (usual && follows && before >= 0 && before !== word && !found.has(pair))
        found.set(pair, `${shownBefore} ${form}`);
      before = usual ? word : -1;
      shownBefore = form;
    }
    return found;
  };
  for (let chunk = 0; chunk < texts.length; chunk++) {
    for (const pair of pairsOf(chunk).keys()) seenIn.set(pair, (seenIn.get(pair) ?? 0) + 1);
  }
  const pairNumbers = new Map<number, number>();
  const pairs: number[] = [];
  for (const [pair, chunks] of seenIn) {
    if (chunks < leastPairs) continue;
    pairNumbers.set(pair, words + pairs.length);
    pairs.push(pair);
  }
  const forms = pairs.map(() => new Map<string, number>());
  for (let chunk = 0; chunk < texts.length; chunk++) {
    for (const [pair, form] of pairsOf(chunk)) {
      const own = forms[(pairNumbers.get(pair) ?? -1) - words];
      if (own !== undefined) own.set(form, (own.get(form) ?? 0) + 1);
    }
  }
  return {
    *of(chunk) {
      for (let i = offsets[chunk]!; i < offsets[chunk + 1]!; i++) yield terms[i]!;
      for (const pair of pairsOf(chunk).keys()) {
        const number = pairNumbers.get(pair);
        if (number !== undefined) yield number;
      }
    },
    share: (term) => (term < words ? documentFrequency[term]! : seenIn.get(pairs[term - words]!)!) / texts.length,
    shown: (term) => (term < words ? shown[term]! : plainCase(mostUsed(forms[term - words]!), numbers, shown)),
    isPair: (term) => term >= words,
  };
}

/** "Debian Archive", where both words mostly stand in small letters elsewhere, is no proper name. */
function plainCase(pair: string, numbers: ReadonlyMap<string, number>, shown: readonly string[]): string {
  return pair
    .split(" ")
    .map((word) => {
      const lower = word.toLowerCase();
      const usual = shown[numbers.get(singular(lower)) ?? -1];
      return usual !== undefined && usual === usual.toLowerCase() ? lower : word;
    })
    .join(" ");
}
