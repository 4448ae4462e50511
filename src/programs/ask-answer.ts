import { type AnswerCitation, type AnswerEvidence, type Quote, quotePassage, quoteSentences } from "./ask-evidence.js";
import type { Gathered, Lead } from "./ask-gather.js";
import { passagesPrompt, refusal, refuses, sentencePrompt } from "./ask-prompt.js";
import { couldAnswer, type ParsedQuestion } from "./ask-question.js";
import { CitationStream } from "./citations.js";
import type { CallUsage } from "./language-model.js";
import type { ProgramContext } from "./program.js";
import { supportedBy, supportIn } from "./support.js";
import { addUsage, noUsage } from "./tree-node.js";
import { contentWords, stems } from "./words.js";

/** Turns gathered evidence into an answer, by one of three strategies, and its citations into exact quotes. */

export type AskEvent =
  | { readonly type: "evidence-found"; readonly evidence: readonly AnswerEvidence[] }
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "citation"; readonly citation: AnswerCitation }
  | { readonly type: "unsupported" };

export interface Answered {
  readonly answer: string;
  readonly evidence: readonly AnswerEvidence[];
  readonly citations: readonly AnswerCitation[];
  readonly unsupported: boolean;
  readonly answeredBy: "model" | "quotation" | "passages";
  readonly removedCitations: number;
  readonly usage: CallUsage & { readonly calls: number };
}

export interface AnswerOptions {
  readonly context: ProgramContext;
  readonly answerTokens: number;
  readonly support: number;
  readonly confidence: number | undefined;
  /** Sentences were ranked with embeddings, which lifts all scores. */
  readonly byMeaning: boolean;
  onText?(text: string): void;
  onEvent?(event: AskEvent): void;
}

/** Scores that separate sentences which answer from such that only come near, with embeddings and without (docs/results/ask.md). */
export const confident = { byMeaning: 0.8, byWords: 0.6 } as const;

const leadsAsked = 3;
const shortAnswerTokens = 40;

export async function answerFrom(
  question: ParsedQuestion,
  gathered: Gathered,
  strategy: "passages" | "sentences" | "extract",
  options: AnswerOptions,
): Promise<Answered> {
  const writing = new AnswerWriter(question, gathered, options);
  writing.announce();
  const least = options.confidence ?? (options.byMeaning ? confident.byMeaning : confident.byWords);
  const leads = gathered.leads.filter(
    ({ score, text }) => score >= least && (question.wants === undefined || couldAnswer(question, text)),
  );
  if (gathered.passages.length === 0) {
    writing.write(
      strategy === "extract" ? noModelNothing : `${refusal} Nothing was found that comes near the question.`,
    );
    return writing.finish(strategy === "extract" ? "passages" : "model", true);
  }
  if (strategy === "extract") return extract(writing, leads, gathered);
  if (strategy === "sentences") return askSentences(question, leads, writing, options);
  return askPassages(question, gathered, writing, options);
}

const noModelNothing = "No language model answered, and no passage was found that comes near the question.";

async function askPassages(
  question: ParsedQuestion,
  { passages }: Gathered,
  writing: AnswerWriter,
  { context, answerTokens }: AnswerOptions,
): Promise<Answered> {
  const generation = await context.ask({
    messages: passagesPrompt(question.text, passages),
    maxTokens: answerTokens,
    onText: (text) => writing.write(text),
  });
  writing.book(generation.usage);
  writing.end();
  const said = writing.answer;
  if (said.trim() === "") {
    writing.write(refusal);
    return writing.finish("model", true);
  }
  if (refuses(said)) return writing.finish("model", true);
  if (writing.citations.length > 0) return writing.finish("model", false);
  writing.note("\n\nNothing in the documents found confirms this answer.");
  return writing.finish("model", true);
}

/** The likeliest sentences one by one; the first answer whose words stand there is taken, or else the likeliest sentence itself. */
async function askSentences(
  question: ParsedQuestion,
  leads: readonly Lead[],
  writing: AnswerWriter,
  { context }: AnswerOptions,
): Promise<Answered> {
  const best = leads[0];
  if (best === undefined) {
    writing.note(`${refusal} The nearest passages are listed.`);
    return writing.finish("model", true);
  }
  for (const lead of leads.slice(0, leadsAsked)) {
    const { text, usage } = await context.ask({
      messages: sentencePrompt(question.text, lead.text.replace(/\s+/g, " ")),
      maxTokens: shortAnswerTokens,
      stop: ["\n"],
    });
    writing.book(usage);
    const answer = text.trim().replace(/^the answer( to (this|the) question)? is:? (?=\S)/i, "");
    if (!standsIn(answer, writing.partsOf(lead), question)) continue;
    writing.from(lead, answer);
    return writing.finish("model", false);
  }
  writing.from(best, plain(writing.partsOf(best).at(-1) ?? ""));
  return writing.finish("quotation", false);
}

function extract(writing: AnswerWriter, leads: readonly Lead[], { passages }: Gathered): Answered {
  if (leads.length === 0) {
    writing.note("No language model answered, and no passage seems to hold the answer. The nearest are listed.");
    return writing.finish("passages", true);
  }
  writing.note("No language model answered. These places come nearest:");
  const shown = new Set<number>();
  for (const lead of leads.slice(0, leadsAsked)) {
    for (const { passage, sentence } of lead.parts) {
      if (shown.has(passage * 1e6 + sentence)) continue;
      shown.add(passage * 1e6 + sentence);
      const where = passages[passage]?.evidence.chunk.uri ?? "";
      writing.note(`\n- ${where}: `);
      writing.from({ ...lead, parts: [{ passage, sentence }] }, plain(writing.sentenceText(passage, sentence)));
    }
  }
  return writing.finish("passages", false);
}

/** A very small model invents names and figures: all words it adds to the question must stand in the text, some of them in the
 *  last sentence and not in those that only lead there, and it must not deny what the text does not deny. */
export function standsIn(answer: string, sentences: readonly string[], question: ParsedQuestion): boolean {
  const there = stems(sentences.join(" "));
  const leading = stems(sentences.slice(0, -1).join(" "));
  const fresh = contentWords(answer).filter(({ stem }) => !question.words.has(stem));
  const news = fresh.filter(({ stem }) => !leading.has(stem));
  const known = { ...question, words: new Set([...question.words, ...leading]) };
  return (
    news.length > 0 &&
    fresh.every(({ stem }) => there.has(stem)) &&
    couldAnswer(known, answer) &&
    sameDenial(answer, sentences, question) &&
    !/\?\W*$/.test(answer) &&
    !refuses(answer)
  );
}

/** An answer may be a mere name; one that says something must not say the opposite of the sentence it comes from. */
function sameDenial(answer: string, sentences: readonly string[], question: ParsedQuestion): boolean {
  const denied = denial.test(sentences.at(-1) ?? "");
  if (denial.test(answer)) return denied;
  return !denied || contentWords(answer).filter(({ stem }) => question.words.has(stem)).length < 2;
}

const denial = /\b(no|not|never|none|cannot)\b|n[’']t\b/i;

/** A sentence of a document as running text. */
function plain(sentence: string): string {
  return sentence
    .replace(/\s+/g, " ")
    .replace(/^(?:[-*+•>]|\d+[.)])\s+/, "")
    .trim();
}

/** Writes the answer out as it comes, and keeps what each citation stands for. */
class AnswerWriter {
  readonly citations: AnswerCitation[] = [];
  private text = "";
  private usage: CallUsage & { calls: number } = { ...noUsage, calls: 0 };
  private stream: CitationStream | undefined;
  private removed = 0;
  private readonly questionWords: ReadonlySet<string>;
  private readonly quotes: (Quote | undefined)[];

  constructor(
    question: ParsedQuestion,
    private readonly gathered: Gathered,
    private readonly options: AnswerOptions,
  ) {
    this.questionWords = question.words;
    // Until something of a passage is cited, its quote is the sentence nearest to the question.
    this.quotes = gathered.passages.map((passage, i) => {
      const led = gathered.leads.flatMap(({ parts }) => parts).find((part) => part.passage === i);
      const near = led ?? supportIn(passage, i, question.words, { weigh: gathered.weigh });
      if (near === undefined) return quotePassage(passage);
      const [first, last] = "sentence" in near ? [near.sentence, near.sentence] : [near.first, near.last];
      return quoteSentences(passage, first, last) ?? quotePassage(passage);
    });
  }

  get answer(): string {
    return this.text;
  }

  announce(): void {
    this.options.onEvent?.({ type: "evidence-found", evidence: this.evidence() });
  }

  book(usage: CallUsage): void {
    this.usage = { ...addUsage(this.usage, usage), calls: this.usage.calls + 1 };
  }

  /** Text of a model: citations in it are checked, missing ones found. */
  write(piece: string): void {
    this.stream ??= this.open((sentence) => this.attribute(sentence));
    this.show(this.stream.push(this.text === "" ? piece.trimStart() : piece));
  }

  end(): void {
    if (this.stream === undefined) return;
    this.show(this.stream.end());
    this.removed += this.stream.removed;
    this.stream = undefined;
  }

  /** Text that comes from a known place, which it cites. */
  from(lead: Lead, text: string): void {
    const sentences = new Map(lead.parts.map(({ passage, sentence }) => [passage + 1, sentence]));
    // What a small model or a document writes in brackets is text here, never a citation.
    const stream = this.open(() => [...sentences.keys()], sentences);
    this.show(stream.push(text.replace(/[[【](?=\s*\^?\s*\d)/g, "(")) + stream.end());
  }

  /** Words of the program itself: no citations. */
  note(text: string): void {
    this.end();
    this.show(text);
  }

  sentenceText(passage: number, sentence: number): string {
    const { evidence, sentences } = this.gathered.passages[passage] ?? {};
    const span = sentences?.[sentence];
    return span === undefined ? "" : (evidence?.chunk.text.slice(span.start, span.end) ?? "");
  }

  partsOf(lead: Lead): string[] {
    return lead.parts.map(({ passage, sentence }) => this.sentenceText(passage, sentence));
  }

  finish(answeredBy: Answered["answeredBy"], unsupported: boolean): Answered {
    this.end();
    if (unsupported) this.options.onEvent?.({ type: "unsupported" });
    return {
      answer: this.text.trim(),
      evidence: this.evidence(),
      citations: this.citations,
      unsupported,
      answeredBy,
      removedCitations: this.removed,
      usage: this.usage,
    };
  }

  private show(text: string): void {
    if (text === "") return;
    this.text += text;
    this.options.onText?.(text);
    this.options.onEvent?.({ type: "text", text });
  }

  private open(
    attribute: (sentence: string) => readonly number[],
    known?: ReadonlyMap<number, number>,
  ): CitationStream {
    const base = this.text.length;
    return new CitationStream({
      evidence: this.gathered.passages.length,
      attribute,
      onCitations: ({ sentence, numbers, by, at }) => {
        for (const number of numbers) this.cite(number, sentence, by, base + at, known?.get(number));
      },
    });
  }

  private attribute(sentence: string): number[] {
    if (refuses(sentence)) return [];
    const { passages, weigh } = this.gathered;
    const [best] = supportedBy(passages, sentence, { weigh, question: this.questionWords });
    return best !== undefined && best.support >= this.options.support ? [best.passage + 1] : [];
  }

  private cite(n: number, sentence: string, by: "model" | "attribution", at: number, known: number | undefined): void {
    const { passages, weigh } = this.gathered;
    const passage = passages[n - 1];
    if (passage === undefined) return;
    const found = supportIn(passage, n - 1, stems(sentence), { weigh, question: this.questionWords });
    const [first, last] = known === undefined ? [found?.first, found?.last] : [known, known];
    const quote =
      (first === undefined || last === undefined ? undefined : quoteSentences(passage, first, last)) ??
      quotePassage(passage);
    if (quote === undefined) return;
    this.quotes[n - 1] = this.citations.some((earlier) => earlier.n === n) ? this.quotes[n - 1] : quote;
    const file = passage.evidence.chunk.uri;
    const citation: AnswerCitation = { n, file, at, sentence, support: found?.support ?? 0, by, ...quote };
    this.citations.push(citation);
    this.options.onEvent?.({ type: "citation", citation });
  }

  private evidence(): AnswerEvidence[] {
    return this.gathered.passages.flatMap((passage, i) => {
      const quote = this.quotes[i];
      if (quote === undefined) return [];
      const { chunk, score, reason } = passage.evidence;
      const { startByte, endByte, startLine, endLine } = chunk;
      const cited = this.citations.some(({ n }) => n === i + 1);
      return [
        {
          n: i + 1,
          file: chunk.uri,
          ...quote,
          score,
          reason,
          cited,
          passage: { startByte, endByte, startLine, endLine },
        },
      ];
    });
  }
}
