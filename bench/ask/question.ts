/** A question with what is known about its answer. */
export interface AskQuestion {
  readonly id: string;
  readonly kind: "single" | "two-hop" | "none";
  /** In the document's own words, or in others. */
  readonly wording: "direct" | "paraphrase";
  readonly question: string;
  /** Any of these, found in the answer as whole words, makes it right; none where the documents do not say. */
  readonly answers: readonly string[];
  /** Places that hold the answer: all of them are needed. */
  readonly gold: readonly GoldPlace[];
  /** Why there is no answer: the thing is unknown, or this fact about it is. */
  readonly missing?: "thing" | "fact";
}

export interface GoldPlace {
  readonly file: string;
  /** UTF-8 bytes, half-open, where the text of the file is known byte for byte. */
  readonly startByte?: number;
  readonly endByte?: number;
  /** Words that stand there; white space counts as one space. */
  readonly phrase: string;
}
