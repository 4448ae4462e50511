/** Cuts text into the words inside which byte-pair merges happen. GGUF files name the rule (`tokenizer.ggml.pre`); nearly all
 *  rules in use are one of two published patterns with a few differences, scanned here by hand instead of by regular expression:
 *  no backtracking, no stack to overflow on a megabyte without a space.
 *
 *  "gpt2":   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *  "llama3": (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */

import { letter, mark, number, space, unicodeClasses } from "./unicode-classes.js";

export interface WordRule {
  readonly pattern: "gpt2" | "llama3";
  /** gpt2: every digit is cut out before the pattern applies. */
  readonly loneDigits?: boolean;
  /** llama3: most digits in a word. */
  readonly digits?: number;
  /** llama3: combining marks count as letters. */
  readonly marks?: boolean;
  /** A word that is a token as it stands is taken whole, whatever the merges say. */
  readonly wholeWords?: boolean;
  /** The beginning-of-text token is added where the file does not say. */
  readonly bos?: boolean;
}

const gpt2: WordRule = { pattern: "gpt2" };
const gpt2LoneDigits: WordRule = { pattern: "gpt2", loneDigits: true };
const llama3: WordRule = { pattern: "llama3", digits: 3, wholeWords: true, bos: true };
const llama3Merged: WordRule = { pattern: "llama3", digits: 3 };
const qwen2: WordRule = { pattern: "llama3", digits: 1 };

export const wordRules: Readonly<Record<string, WordRule>> = {
  "gpt-2": gpt2,
  "phi-2": gpt2,
  mpt: gpt2,
  olmo: gpt2,
  jais: gpt2,
  trillion: gpt2,
  "granite-docling": gpt2,
  gigachat: gpt2,
  mellum: gpt2,
  exaone4: gpt2,
  "modern-bert": gpt2,
  smollm: gpt2LoneDigits,
  starcoder: gpt2LoneDigits,
  refact: gpt2LoneDigits,
  "command-r": gpt2LoneDigits,
  codeshell: gpt2LoneDigits,
  exaone: gpt2LoneDigits,
  "minerva-7b": gpt2LoneDigits,
  "llama-bpe": llama3,
  llama3,
  "llama-v3": llama3,
  falcon3: llama3,
  "falcon-h1": llama3,
  pixtral: llama3,
  lfm2: llama3,
  dbrx: llama3Merged,
  "smaug-bpe": llama3Merged,
  glm4: llama3Merged,
  "chatglm-bpe": llama3Merged,
  qwen2,
  "deepseek-r1-qwen": qwen2,
  stablelm2: qwen2,
  hunyuan: qwen2,
  megrez: qwen2,
  "grok-2": qwen2,
  qwen35: { pattern: "llama3", digits: 1, marks: true },
};

const apostrophe = 0x27;
const blank = 0x20;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** Calls `word(from, to)` for the words of `text` between `start` and `end`, in order and without gaps. */
export function splitWords(
  rule: WordRule,
  text: string,
  start: number,
  end: number,
  word: (from: number, to: number) => void,
): void {
  const classes = unicodeClasses();

  // A class above every real one marks the end; a lone surrogate counts as what replaces it, U+FFFD.
  const beyond = 255;
  const classAt = (at: number, limit: number): number => {
    if (at >= limit) return beyond;
    const unit = text.charCodeAt(at);
    if (unit < 0xd800 || unit > 0xdfff) return classes[unit]!;
    return isPair(text, at, limit) ? classes[text.codePointAt(at)!]! : classes[0xfffd]!;
  };
  const after = (at: number, limit: number): number => (isPair(text, at, limit) ? at + 2 : at + 1);

  const contractionEnd = (at: number, limit: number, anyCase: boolean): number => {
    if (text.charCodeAt(at) !== apostrophe || at + 1 >= limit) return at;
    const fold = anyCase ? 0x20 : 0;
    const first = text.charCodeAt(at + 1) | fold;
    if (first === 0x73 || first === 0x74 || first === 0x6d || first === 0x64) return at + 2; // s t m d
    if (at + 2 >= limit) return at;
    const second = text.charCodeAt(at + 2) | fold;
    const long = ((first === 0x72 || first === 0x76) && second === 0x65) || (first === 0x6c && second === 0x6c);
    return long ? at + 3 : at; // re ve ll
  };

  const gpt2Words = (from: number, limit: number): void => {
    for (let at = from; at < limit; ) {
      const contracted = contractionEnd(at, limit, false);
      let stop = contracted;
      if (contracted === at) {
        const body = text.charCodeAt(at) === blank ? at + 1 : at;
        const kind = classAt(body, limit);
        if (kind === space || kind === beyond) {
          stop = spacesEnd(at, limit);
        } else {
          const same = kind === letter || kind === number ? kind : undefined;
          stop = after(body, limit);
          for (;;) {
            const next = classAt(stop, limit);
            const belongs = same === undefined ? isSign(next) : next === same;
            if (!belongs) break;
            stop = after(stop, limit);
          }
        }
      }
      word(at, stop);
      at = stop;
    }
  };

  const isSign = (kind: number): boolean => kind !== letter && kind !== number && kind !== space && kind !== beyond;

  /** \s+(?!\S)|\s+ : all white space from here, less the last one where something follows. */
  const spacesEnd = (from: number, limit: number): number => {
    let stop = from;
    while (classAt(stop, limit) === space) stop++;
    return stop - from > 1 && stop < limit ? stop - 1 : stop;
  };

  const isBreak = (at: number, limit: number): boolean =>
    at < limit && (text.charCodeAt(at) === lineFeed || text.charCodeAt(at) === carriageReturn);

  const llama3Words = (from: number, limit: number): void => {
    const digits = rule.digits ?? 3;
    const isLetter = rule.marks
      ? (kind: number) => kind === letter || kind === mark
      : (kind: number) => kind === letter;
    for (let at = from; at < limit; ) {
      let stop = contractionEnd(at, limit, true);
      if (stop === at) {
        const kind = classAt(at, limit);
        const second = after(at, limit);
        if (kind !== number && !isBreak(at, limit) && (isLetter(kind) || isLetter(classAt(second, limit)))) {
          stop = second;
          while (isLetter(classAt(stop, limit))) stop = after(stop, limit);
        } else if (kind === number) {
          for (let held = 0; held < digits && classAt(stop, limit) === number; held++) stop = after(stop, limit);
        } else {
          const body = text.charCodeAt(at) === blank ? at + 1 : at;
          stop = body;
          while (isSign(classAt(stop, limit)) && !isLetter(classAt(stop, limit))) stop = after(stop, limit);
          if (stop > body) {
            while (isBreak(stop, limit)) stop++;
          } else {
            stop = at;
            let lastBreak = -1;
            for (let look = at; classAt(look, limit) === space; look++) if (isBreak(look, limit)) lastBreak = look;
            stop = lastBreak >= 0 ? lastBreak + 1 : spacesEnd(at, limit);
          }
        }
      }
      word(at, stop);
      at = stop;
    }
  };

  if (rule.pattern === "llama3") {
    llama3Words(start, end);
  } else if (rule.loneDigits) {
    let from = start;
    for (let at = start; at < end; ) {
      const next = after(at, end);
      if (classAt(at, end) === number) {
        gpt2Words(from, at);
        word(at, next);
        from = next;
      }
      at = next;
    }
    gpt2Words(from, end);
  } else {
    gpt2Words(start, end);
  }
}

function isPair(text: string, at: number, limit: number): boolean {
  const unit = text.charCodeAt(at);
  if (unit < 0xd800 || unit > 0xdbff || at + 1 >= limit) return false;
  const next = text.charCodeAt(at + 1);
  return next >= 0xdc00 && next <= 0xdfff;
}
