/** Reads an answer as it streams and lets only citations through that refer to given evidence, always before the full stop of
 *  their sentence. A sentence that cites nothing gets the citations that `attribute` finds for it. Text in backticks is left
 *  alone. What comes out, joined, is the answer. */

export interface SentenceCitations {
  /** The sentence as it stands in the answer, without its citations. */
  readonly sentence: string;
  /** Evidence numbers, 1-based, in the order they stand. */
  readonly numbers: readonly number[];
  readonly by: "model" | "attribution";
  /** Where the first of them begins in the answer (UTF-16). */
  readonly at: number;
}

export interface CitationStreamOptions {
  /** How many pieces of evidence there are: [1] to [n]. */
  readonly evidence: number;
  /** Numbers that bear out a sentence which cites nothing. */
  attribute(sentence: string): readonly number[];
  /** Called for every sentence that has citations, when it is complete. */
  onCitations?(citations: SentenceCitations): void;
}

/** [1], [1, 2], [1-3], [^1], [Document 1], 【1】 */
// Runs of spaces are bounded, so that no text can make these slow.
const opened = String.raw`[[【]\s{0,3}\^?\s{0,3}(?:(?:document|passage|source|doc|ref)\b\.?\s{0,3})?`;
const list = String.raw`\d+(?:\s{0,3}[,;–-]\s{0,3}\d+)*`;
const whole = String.raw`${opened}${list}\s{0,3}[\]】]`;
const citation = new RegExp(`${opened}(${list})\\s{0,3}[\\]】]`, "giu");
/** What may still become a citation behind spaces and a full stop, read up to here. */
const begun = String.raw`[[【]\s{0,3}\^?\s{0,3}\p{L}{0,8}\.?[\d\s,;–-]*`;
const stop = `[.!?…。！？]+["'”’)]*`;
const undecided = new RegExp(String.raw`^[ \t]*(?:${stop})?(?:[ \t]*${whole})*[ \t]*(?:${begun})?$`, "iu");
const parts = new RegExp(String.raw`^([ \t]*)(${stop})?((?:[ \t]*${whole})*)([ \t]*)([\s\S]*)$`, "iu");

export class CitationStream {
  private out = "";
  /** Text of the running sentence, citations left out. */
  private sentence = "";
  private numbers: number[] = [];
  private firstAt = -1;
  private held = "";
  private readonly code = new CodeSpans();
  /** Citations that pointed to nothing and were taken out. */
  removed = 0;

  constructor(private readonly options: CitationStreamOptions) {}

  /** The part of the answer that is now certain. */
  push(piece: string): string {
    const from = this.out.length;
    for (const character of piece) this.take(character);
    return this.out.slice(from);
  }

  end(): string {
    const from = this.out.length;
    this.decide(true);
    this.finishSentence("");
    return this.out.slice(from);
  }

  get answer(): string {
    return this.out;
  }

  private take(character: string): void {
    if (this.code.inside(character)) {
      this.decide(false);
      this.write(character);
    } else if (undecided.test(this.held + character)) {
      this.held += character;
    } else {
      this.decide(/\s/.test(character));
      if (undecided.test(character)) this.held = character;
      else if (character === "\n") this.finishSentence(character);
      else this.write(character);
    }
  }

  /** Nothing that follows can change what the held text is. */
  private decide(spaceFollows: boolean): void {
    const [, lead = "", end = "", brackets = "", gap = "", rest = ""] = parts.exec(this.held) ?? [];
    this.held = "";
    const numbers = [...brackets.matchAll(citation)].flatMap(([, numbers = ""]) => expand(numbers));
    const valid = numbers.filter((number) => number >= 1 && number <= this.options.evidence);
    this.removed += numbers.length - valid.length;
    const sentenceIsOver = end !== "" && (spaceFollows || numbers.length > 0 || gap !== "");
    if (sentenceIsOver) {
      this.cite(valid, " ");
      this.finishSentence(lead + end);
      this.out += gap;
    } else if (numbers.length > 0) {
      this.cite(valid, lead);
      this.write(gap);
    } else this.write(lead + end + gap);
    this.write(rest);
  }

  private cite(numbers: readonly number[], space: string): void {
    const fresh = numbers.filter((number, i) => !this.numbers.includes(number) && numbers.indexOf(number) === i);
    if (fresh.length === 0) return;
    if (!/(^|[\s\]])$/.test(this.out)) this.out += space;
    if (this.firstAt < 0) this.firstAt = this.out.length;
    this.out += fresh.map((number) => `[${number}]`).join("");
    this.numbers.push(...fresh);
  }

  private write(text: string): void {
    this.out += text;
    this.sentence += text;
  }

  private finishSentence(ending: string): void {
    const sentence = this.sentence.trim();
    const by = this.numbers.length > 0 ? "model" : "attribution";
    if (by === "attribution" && /[\p{L}\p{N}]/u.test(sentence)) {
      const found = this.options.attribute(sentence);
      this.cite(
        found.filter((number) => number >= 1 && number <= this.options.evidence),
        " ",
      );
    }
    if (this.numbers.length > 0) {
      this.options.onCitations?.({ sentence: sentence + ending.trim(), numbers: this.numbers, by, at: this.firstAt });
    }
    this.out += ending;
    this.sentence = "";
    this.numbers = [];
    this.firstAt = -1;
  }
}

/** Follows backticks: inline code ends with its line, whatever was forgotten; a fence goes on until it is closed. */
class CodeSpans {
  private run = 0;
  private openedBy = 0;

  /** Whether this character is a backtick or stands between them. */
  inside(character: string): boolean {
    if (character === "`") {
      this.run += 1;
      return true;
    }
    if (this.run > 0) {
      if (this.openedBy === 0) this.openedBy = this.run;
      else if (this.run >= this.openedBy) this.openedBy = 0;
      this.run = 0;
    }
    if (character === "\n" && this.openedBy < 3) this.openedBy = 0;
    return this.openedBy > 0;
  }
}

function expand(numbers: string): number[] {
  return numbers.split(/\s*[,;]\s*/).flatMap((part) => {
    const [from = Number.NaN, to = from] = part.split(/\s*[–-]\s*/).map(Number);
    // "[1-900]" is one wrong citation, not nine hundred.
    if (!(to >= from) || to - from > 20) return [0];
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}
