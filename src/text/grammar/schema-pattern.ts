/** The regular expressions of JSON schema's "pattern", as far as they are regular: characters, classes, groups, alternatives,
 *  repeats, anchors at the ends. They speak of a string's content, which JSON writes with escapes, so every character is
 *  translated to the way it is written. */

import {
  type CodeRange,
  characters,
  choice,
  complement,
  type Expression,
  intersection,
  joined,
  lastCodePoint,
  repeat,
  sequence,
  text,
} from "./expression.js";
import { escaped, stringCharacter } from "./json-text.js";
import { unsupported, wrongSchema } from "./schema-error.js";

const mostRepeats = 2000;

export function patternContent(pattern: unknown, path: string): Expression {
  if (typeof pattern !== "string") throw wrongSchema(path, "pattern", "a text", pattern);
  try {
    new RegExp(pattern, "u");
  } catch (error) {
    throw wrongSchema(path, "pattern", `a regular expression (${(error as Error).message})`, pattern);
  }
  const options = new PatternReader(pattern, path).options();
  return choice(
    ...options.map(({ items, atStart, atEnd }) =>
      sequence(
        ...(atStart ? [] : [repeat(stringCharacter, 0)]),
        ...items,
        ...(atEnd ? [] : [repeat(stringCharacter, 0)]),
      ),
    ),
  );
}

interface Option {
  readonly items: readonly Expression[];
  readonly atStart: boolean;
  readonly atEnd: boolean;
}

const digits: readonly CodeRange[] = [[0x30, 0x39]];
const wordCharacters: readonly CodeRange[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
const spaces: readonly CodeRange[] = [
  [9, 13],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const lineEnds: readonly CodeRange[] = [
  [10, 10],
  [13, 13],
  [0x2028, 0x2029],
];

const classes: Readonly<Record<string, readonly CodeRange[]>> = {
  d: digits,
  D: complement(digits),
  w: wordCharacters,
  W: complement(wordCharacters),
  s: spaces,
  S: complement(spaces),
};

/** Characters as a JSON string writes them. */
export function contentCharacters(ranges: readonly CodeRange[]): Expression {
  const options: Expression[] = [];
  const plain = intersection(ranges, complement(escaped));
  if (plain.length > 0) options.push(characters(plain));
  for (const [from, to] of intersection(ranges, escaped)) {
    for (let point = from; point <= to; point++)
      options.push(text(JSON.stringify(String.fromCodePoint(point)).slice(1, -1)));
  }
  return choice(...options);
}

/** The pattern is known to be a correct regular expression. */
class PatternReader {
  readonly #points: readonly string[];
  readonly #path: string;
  #at = 0;

  constructor(pattern: string, path: string) {
    this.#points = Array.from(pattern);
    this.#path = path;
  }

  options(): Option[] {
    const options = [this.#option(true)];
    while (this.#take("|")) options.push(this.#option(true));
    return options;
  }

  #option(outermost: boolean): Option {
    const items: Expression[] = [];
    let atStart = false;
    let atEnd = false;
    for (let next = this.#peek(); next !== undefined && next !== "|" && next !== ")"; next = this.#peek()) {
      if (next === "^") {
        if (!outermost || items.length > 0) throw this.#refusal("^ inside");
        atStart = true;
        this.#at++;
      } else if (next === "$") {
        this.#at++;
        const following = this.#peek();
        if (!outermost || (following !== undefined && following !== "|")) throw this.#refusal("$ inside");
        atEnd = true;
      } else {
        items.push(this.#repeated(this.#item()));
      }
    }
    return { items, atStart, atEnd };
  }

  #item(): Expression {
    const character = this.#next();
    if (character === ".") return contentCharacters(complement(lineEnds));
    if (character === "[") return contentCharacters(this.#set());
    if (character === "\\") return contentCharacters(this.#escape());
    if (character !== "(") return contentCharacters([pointRange(character)]);
    if (this.#take("?")) {
      const kind = this.#next();
      if (kind === "<" && this.#peek() !== "=" && this.#peek() !== "!") while (this.#next() !== ">");
      else if (kind !== ":") throw this.#refusal(`(?${kind}`);
    }
    const options = [this.#option(false)];
    while (this.#take("|")) options.push(this.#option(false));
    this.#at++; // )
    return choice(...options.map(({ items }) => sequence(...items)));
  }

  #repeated(item: Expression): Expression {
    const limits = this.#limits();
    if (limits === undefined) return item;
    this.#take("?"); // a lazy repeat allows the same texts
    const [min, max] = limits;
    if (min > mostRepeats || (max > mostRepeats && max !== Number.POSITIVE_INFINITY)) {
      throw this.#refusal(`more than ${mostRepeats} repeats`);
    }
    return repeat(item, min, max);
  }

  #limits(): [number, number] | undefined {
    if (this.#take("*")) return [0, Number.POSITIVE_INFINITY];
    if (this.#take("+")) return [1, Number.POSITIVE_INFINITY];
    if (this.#take("?")) return [0, 1];
    if (!this.#take("{")) return undefined;
    let written = "";
    for (let next = this.#next(); next !== "}"; next = this.#next()) written += next;
    const [min, max] = written.split(",");
    return [Number(min), max === undefined ? Number(min) : max === "" ? Number.POSITIVE_INFINITY : Number(max)];
  }

  #set(): CodeRange[] {
    const negated = this.#take("^");
    const ranges: CodeRange[] = [];
    while (!this.#take("]")) {
      const from = this.#setItem();
      if (this.#peek() === "-" && this.#points[this.#at + 1] !== "]" && from.length === 1) {
        this.#at++;
        const to = this.#setItem();
        ranges.push([from[0]![0], to[0]![1]]);
      } else {
        ranges.push(...from);
      }
    }
    return negated ? complement(ranges) : joined(ranges);
  }

  #setItem(): readonly CodeRange[] {
    const character = this.#next();
    if (character !== "\\") return [pointRange(character)];
    if (this.#take("b")) return [[8, 8]];
    if (this.#take("-")) return [pointRange("-")];
    return this.#escape();
  }

  /** Behind a backslash. */
  #escape(): readonly CodeRange[] {
    const letter = this.#next();
    const known = Object.hasOwn(classes, letter) ? classes[letter] : undefined;
    if (known !== undefined) return known;
    const controls: Record<string, number> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 };
    if (Object.hasOwn(controls, letter)) return [[controls[letter]!, controls[letter]!]];
    if (letter === "x") return [hexRange(this.#many(2))];
    if (letter === "u") {
      if (!this.#take("{")) {
        const unit = Number.parseInt(this.#many(4), 16);
        if (unit >= 0xd800 && unit <= 0xdfff) throw this.#refusal("halves of surrogate pairs");
        return [[unit, unit]];
      }
      let hex = "";
      for (let next = this.#next(); next !== "}"; next = this.#next()) hex += next;
      return [hexRange(hex)];
    }
    if (/[A-Za-z0-9]/.test(letter)) throw this.#refusal(`\\${letter}`);
    return [pointRange(letter)];
  }

  #many(count: number): string {
    const taken = this.#points.slice(this.#at, this.#at + count).join("");
    this.#at += count;
    return taken;
  }

  #peek(): string | undefined {
    return this.#points[this.#at];
  }

  #next(): string {
    const character = this.#points[this.#at++];
    if (character === undefined) throw this.#refusal("an open end");
    return character;
  }

  #take(expected: string): boolean {
    if (this.#points[this.#at] !== expected) return false;
    this.#at++;
    return true;
  }

  #refusal(what: string) {
    return unsupported(this.#path, "pattern", `it has ${what}, which no grammar can follow`);
  }
}

function pointRange(character: string): CodeRange {
  const point = character.codePointAt(0)!;
  return [point, point];
}

function hexRange(hex: string): CodeRange {
  const point = Math.min(Number.parseInt(hex, 16), lastCodePoint);
  return [point, point];
}
