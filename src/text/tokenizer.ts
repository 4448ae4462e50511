/** What the rest of Quire needs of a tokenizer. `gguf-tokenizer.ts` makes one from GGUF metadata, `hf-tokenizer.ts` from a
 *  tokenizer.json. */
export interface Tokenizer {
  readonly vocabSize: number;
  /** Tokens after which a model's turn is over. */
  readonly endTokens: ReadonlySet<number>;
  readonly bosToken: number | undefined;
  /** `special: true` reads the text of control tokens (such as <|im_start|>) as those tokens; text of users must not be read so.
   *  `bos: true` puts the beginning-of-text token in front where the model's metadata asks for one; default false. */
  encode(text: string, options?: { special?: boolean; bos?: boolean }): Int32Array;
  /** The text of the tokens; control tokens give nothing unless `special`. Invalid UTF-8 becomes U+FFFD. */
  decode(tokens: ArrayLike<number>, options?: { special?: boolean }): string;
  /** The exact bytes of one token (empty for control tokens): a token may hold part of a character. */
  bytes(token: number): Uint8Array;
  /** Equal for tokenizers that give equal tokens: a draft model must have its target's. */
  readonly hash: string;
  close(): void;
}

/** Allows and forbids next tokens: grammars and schemas. One object follows one sequence. */
export interface TokenMask {
  /** Sets the logits of forbidden tokens to -Infinity, in place. */
  apply(logits: Float32Array): void;
  accept(token: number): void;
  clone(): TokenMask;
  close(): void;
}
