/** Reads GBNF, the way llama.cpp writes grammars:
 *      root ::= "yes" | "no" | number     # a comment
 *      number ::= [0-9]+ ("." [0-9]{1,3})?
 *  Rules are named with letters, digits, - and _; the text begins at `root`. */

import { QuireError } from "../../errors.js";
import {
  type CodeRange,
  characters,
  choice,
  complement,
  type Expression,
  type Grammar,
  lastCodePoint,
  repeat,
  rule,
  sequence,
  text,
} from "./expression.js";

const mostCharacters = 2 ** 20;
const mostRepeats = 10_000;
const deepest = 200;

export function readGbnf(source: string): Grammar {
  return new Reader(source).grammar();
}

class Reader {
  readonly #source: string;
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
    if (source.length > mostCharacters) throw this.#error(`at most ${mostCharacters} characters`);
  }

  grammar(): Grammar {
    const rules = new Map<string, Expression>();
    this.#space(true);
    while (this.#at < this.#source.length) {
      const name = this.#name();
      if (name === "") throw this.#error("the name of a rule");
      this.#space(false);
      if (!this.#take("::=")) throw this.#error("::=");
      this.#space(true);
      if (rules.has(name)) throw this.#error(`only one rule "${name}"`);
      rules.set(name, this.#choice(false));
      if (this.#at < this.#source.length && !/[\r\n]/.test(this.#source[this.#at]!))
        throw this.#error("the end of the line");
      this.#space(true);
    }
    if (!rules.has("root")) {
      throw new QuireError("bad-option", 'The grammar has no rule "root".', {
        got: [...rules.keys()],
        expected: "root ::= ...",
      });
    }
    return { start: "root", rules };
  }

  /** `nested`: inside parentheses line breaks are only space. */
  #choice(nested: boolean): Expression {
    if (++this.#depth > deepest) throw this.#error(`at most ${deepest} parentheses deep`);
    const options = [this.#sequence(nested)];
    while (this.#take("|")) {
      this.#space(true);
      options.push(this.#sequence(nested));
    }
    this.#depth--;
    return choice(...options);
  }

  #sequence(nested: boolean): Expression {
    const items: Expression[] = [];
    for (;;) {
      const item = this.#item();
      if (item === undefined) return items.length === 1 ? items[0]! : sequence(...items);
      items.push(this.#repeated(item));
      this.#space(nested);
    }
  }

  #item(): Expression | undefined {
    const character = this.#source[this.#at];
    if (character === '"') return this.#text();
    if (character === "[") return this.#set();
    if (character === ".") {
      this.#at++;
      return characters([[0, lastCodePoint]]);
    }
    if (character === "(") {
      this.#at++;
      this.#space(true);
      const inner = this.#choice(true);
      if (!this.#take(")")) throw this.#error(")");
      return inner;
    }
    const name = this.#name();
    return name === "" ? undefined : rule(name);
  }

  #repeated(item: Expression): Expression {
    if (this.#take("*")) return this.#repeated(repeat(item, 0));
    if (this.#take("+")) return this.#repeated(repeat(item, 1));
    if (this.#take("?")) return this.#repeated(repeat(item, 0, 1));
    if (!this.#take("{")) return item;
    const numbers = /^\s*(\d+)\s*(?:(,)\s*(\d+)?)?\s*\}/.exec(this.#source.slice(this.#at, this.#at + 64));
    if (numbers === null) throw this.#error("{3}, {3,} or {3,5}");
    this.#at += numbers[0].length;
    const min = Number(numbers[1]);
    const max =
      numbers[2] === undefined ? min : numbers[3] === undefined ? Number.POSITIVE_INFINITY : Number(numbers[3]);
    if (min > max || min > mostRepeats || (max > mostRepeats && max !== Number.POSITIVE_INFINITY)) {
      throw this.#error(`numbers in order, at most ${mostRepeats}`);
    }
    return this.#repeated(repeat(item, min, max));
  }

  #text(): Expression {
    this.#at++;
    let literal = "";
    for (;;) {
      if (this.#at >= this.#source.length) throw this.#error('a closing "');
      if (this.#take('"')) return text(literal);
      literal += String.fromCodePoint(this.#character());
    }
  }

  #set(): Expression {
    this.#at++;
    const negated = this.#take("^");
    const ranges: CodeRange[] = [];
    while (!this.#take("]")) {
      if (this.#at >= this.#source.length) throw this.#error("a closing ]");
      const from = this.#character();
      const isRange = this.#source[this.#at] === "-" && this.#source[this.#at + 1] !== "]";
      if (isRange) this.#at++;
      const to = isRange ? this.#character() : from;
      if (to < from) throw this.#error("a range in order");
      ranges.push([from, to]);
    }
    return characters(negated ? complement(ranges) : ranges);
  }

  #character(): number {
    const point = this.#source.codePointAt(this.#at);
    if (point === undefined) throw this.#error("a character");
    this.#at += point > 0xffff ? 2 : 1;
    if (point !== 0x5c) return point;
    const letter = this.#source[this.#at++];
    const digits = letter === "x" ? 2 : letter === "u" ? 4 : letter === "U" ? 8 : 0;
    if (digits > 0) {
      const written = this.#source.slice(this.#at, this.#at + digits);
      const value = Number.parseInt(written, 16);
      if (!/^[0-9a-fA-F]+$/.test(written) || written.length < digits || value > lastCodePoint) {
        throw this.#error(`${digits} hexadecimal digits of a character`);
      }
      this.#at += digits;
      return value;
    }
    const simple: Record<string, number> = {
      n: 10,
      r: 13,
      t: 9,
      '"': 34,
      "\\": 92,
      "[": 91,
      "]": 93,
      "-": 45,
      "^": 94,
    };
    const value = letter === undefined ? undefined : simple[letter];
    if (value === undefined) throw this.#error('\\n \\r \\t \\" \\\\ \\[ \\] \\xHH \\uHHHH or \\UHHHHHHHH');
    return value;
  }

  #name(): string {
    const name = /[a-zA-Z0-9_-]*/y;
    name.lastIndex = this.#at;
    const found = name.exec(this.#source)![0];
    this.#at += found.length;
    return found;
  }

  #space(lineBreaks: boolean): void {
    const space = lineBreaks ? /(?:[ \t\r\n]|#[^\r\n]*)*/y : /(?:[ \t]|#[^\r\n]*)*/y;
    space.lastIndex = this.#at;
    this.#at += space.exec(this.#source)![0].length;
  }

  #take(expected: string): boolean {
    if (!this.#source.startsWith(expected, this.#at)) return false;
    this.#at += expected.length;
    return true;
  }

  #error(expected: string): QuireError {
    const line = this.#source.slice(0, this.#at).split("\n").length;
    return new QuireError("bad-option", `The grammar cannot be read at line ${line}: expected ${expected}.`, {
      got: this.#source.slice(this.#at, this.#at + 40),
      expected,
    });
  }
}
