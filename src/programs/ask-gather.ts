import type { Evidence, EvidenceBudget } from "../corpus/select/selector.js";
import { type ReadRange, unchanged } from "./ask-evidence.js";
import { couldAnswer, type ParsedQuestion, withoutNames } from "./ask-question.js";
import { dot, type Embed, nameInSentence, type RankedSentence, rankSentences } from "./rank-sentences.js";
import { newNames, type Passage, preparePassages, type Weigh, weights } from "./support.js";
import { contentWords, stems } from "./words.js";

/** Finds what a question is answered from: passages, and in them the sentences most likely to hold the answer. Where a sentence
 *  leads to a name the question did not know ("the founder of X is Y"), it looks there too and joins the two sentences. */

export interface GatherOptions {
  readonly budget: EvidenceBudget;
  /** Names followed; 0 looks once only. */
  readonly bridges: number;
  select(query: string, budget: EvidenceBudget): Promise<readonly Evidence[]>;
  readonly readRange?: ReadRange;
  readonly embed?: Embed;
  countTokens(text: string): number;
  readonly signal?: AbortSignal;
}

/** One sentence, or two of which the first leads to the second. */
export interface Lead {
  readonly parts: readonly { readonly passage: number; readonly sentence: number }[];
  readonly text: string;
  readonly score: number;
  readonly overlap: number;
}

export interface Gathered {
  /** Best first, within the budget. */
  readonly passages: readonly Passage[];
  readonly leads: readonly Lead[];
  readonly weigh: Weigh;
  /** Passages left out because the document has changed since it was indexed. */
  readonly stale: number;
}

const sentencesFollowed = 4;
/** A sentence that explains only part of the question is more often the first half of an answer than the whole. */
const bridgeBonus = 0.15;
const leadsKept = 8;

export async function gather(question: ParsedQuestion, options: GatherOptions): Promise<Gathered> {
  const found = await unchanged(await options.select(question.text, options.budget), options.readRange);
  let passages = preparePassages(found.evidence);
  let weigh = weights(passages);
  const single = await rankSentences(question, passages, weigh, options.embed, options.signal);
  let leads: Lead[] = single.map(oneSentence);
  const best = single[0];
  let stale = found.stale;
  if (options.bridges > 0 && best !== undefined && (best.overlap < 1 || !couldAnswer(question, best.text))) {
    const hops = await findHops(question, passages, single, options);
    stale += hops.stale;
    passages = [...passages, ...hops.passages];
    weigh = weights(passages);
    const pairs = await joined(question, passages, hops.names, weigh, options);
    leads = [...leads, ...pairs].sort((a, b) => b.score - a.score);
  }
  return { ...inOrder(passages, leads.slice(0, leadsKept), options), weigh, stale };
}

function oneSentence({ passage, sentence, text, score, overlap }: RankedSentence): Lead {
  return { parts: [{ passage, sentence }], text, score, overlap };
}

interface Bridge {
  readonly name: string;
  readonly from: RankedSentence;
}

async function findHops(
  question: ParsedQuestion,
  passages: readonly Passage[],
  ranked: readonly RankedSentence[],
  options: GatherOptions,
): Promise<{ passages: Passage[]; names: Bridge[]; stale: number }> {
  const bridges: Bridge[] = [];
  // The first half of an answer speaks of what the question names, and explains some of it but not all.
  const halves = ranked.filter(
    ({ overlap, named }) => question.names.size > 0 && named === 1 && overlap > 0 && overlap < 1,
  );
  for (const from of halves.slice(0, sentencesFollowed)) {
    for (const name of newNames(from.text, question.words)) {
      if (bridges.length < options.bridges && !bridges.some((known) => known.name === name))
        bridges.push({ name, from });
    }
  }
  const have = new Set(passages.map(({ evidence }) => evidence.chunk.id));
  const matter = contentWords(question.text).filter(({ stem }) => question.matter.has(stem));
  const added: Passage[] = [];
  let stale = 0;
  const share = { tokens: Math.ceil(options.budget.tokens / 2), passages: 3 };
  for (const { name, from } of bridges) {
    const told = stems(from.text);
    const asked = matter.filter(({ stem }) => !told.has(stem)).map(({ shown }) => shown);
    const found = await unchanged(await options.select([name, ...asked].join(" "), share), options.readRange);
    stale += found.stale;
    const fresh = found.evidence.filter(({ chunk }) => !have.has(chunk.id));
    for (const { chunk } of fresh) have.add(chunk.id);
    added.push(
      ...preparePassages(
        fresh.map((one) => ({ ...one, reason: `${one.reason}; followed “${name}”`.replace(/^; /, "") })),
      ),
    );
  }
  return { passages: added, names: bridges, stale };
}

/** Pairs of a sentence that leads to a name and one that says something about that name. */
async function joined(
  question: ParsedQuestion,
  passages: readonly Passage[],
  bridges: readonly Bridge[],
  weigh: Weigh,
  options: GatherOptions,
): Promise<Lead[]> {
  let matter = 0;
  for (const stem of question.matter) matter += weigh(stem);
  const pairs = bridges.flatMap(({ name, from }) => {
    const nameStems = stems(name);
    const fromWords = stems(from.text);
    return passages.flatMap((passage, index) =>
      passage.sentences.flatMap((span, sentence) => {
        const same = index === from.passage && sentence === from.sentence;
        if (same || ![...nameStems].every((stem) => span.words.has(stem))) return [];
        const text = passage.evidence.chunk.text.slice(span.start, span.end);
        const names = new Set([...question.names, ...nameStems]);
        if (
          /^\s*#/.test(text) ||
          !couldAnswer({ ...question, names, words: new Set([...question.words, ...fromWords]) }, text)
        )
          return [];
        let got = 0;
        for (const stem of question.matter) if (span.words.has(stem) || fromWords.has(stem)) got += weigh(stem);
        return [{ from, passage: index, sentence, text, names, overlap: matter === 0 ? 0 : got / matter }];
      }),
    );
  });
  if (pairs.length === 0) return [];
  // What the first sentence explains is taken out of the question, as the names are: the second has to answer the rest.
  const rests = pairs.map(({ from }) => withoutNames(question.text, new Set([...question.names, ...stems(from.text)])));
  const seconds = pairs.map(({ text, names }) => withoutNames(text, names));
  const vectors = (await options.embed?.([...rests, ...seconds], options.signal)) ?? [];
  return pairs.map(({ from, passage, sentence, text, overlap }, i) => {
    const [rest, second] = [vectors[i], vectors[pairs.length + i]];
    const likeness = rest === undefined || second === undefined ? 0 : dot(rest, second);
    const parts = [
      { passage: from.passage, sentence: from.sentence },
      { passage, sentence },
    ];
    return {
      parts,
      text: `${from.text} ${text}`,
      overlap,
      score: overlap + likeness + nameInSentence + bridgeBonus,
    };
  });
}

/** Passages with the best leads come first; what does not fit the budget goes from the end, and its leads with it. */
function inOrder(passages: readonly Passage[], leads: readonly Lead[], { budget, countTokens }: GatherOptions) {
  const order = [
    ...new Set([...leads.flatMap(({ parts }) => parts.map(({ passage }) => passage)), ...passages.keys()]),
  ];
  const kept: number[] = [];
  let tokens = 0;
  for (const index of order) {
    const chunk = passages[index]?.evidence.chunk;
    if (chunk === undefined) continue;
    tokens += countTokens(chunk.text) + countTokens(`[1] ${chunk.uri} (${chunk.header})`);
    if (tokens > budget.tokens && kept.length > 0) break;
    if (budget.passages !== undefined && kept.length >= budget.passages) break;
    kept.push(index);
  }
  const place = new Map(kept.map((index, i) => [index, i]));
  return {
    passages: kept.flatMap((index) => passages[index] ?? []),
    leads: leads.flatMap((lead) => {
      const parts = lead.parts.flatMap(({ passage, sentence }) => {
        const at = place.get(passage);
        return at === undefined ? [] : [{ passage: at, sentence }];
      });
      return parts.length === lead.parts.length ? [{ ...lead, parts }] : [];
    }),
  };
}
