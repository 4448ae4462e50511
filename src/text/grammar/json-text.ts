/** The parts that all JSON text is made of, as rules. White space is allowed where models write it, but never without end. */

import {
  anyOf,
  type CodeRange,
  characters,
  choice,
  complement,
  type Expression,
  optional,
  repeat,
  rule,
  sequence,
  text,
} from "./expression.js";

/** Quote, backslash and control characters stand in a JSON string only behind a backslash. */
export const escaped: readonly CodeRange[] = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
];

export const hexDigit = anyOf("0-9a-fA-F");
const digit = anyOf("0-9");

/** \u escapes name whole characters only: halves of surrogate pairs would leave broken text. */
const unicodeEscape = sequence(
  text("u"),
  choice(
    sequence(anyOf("0-9a-cA-CefEF"), repeat(hexDigit, 3, 3)),
    sequence(anyOf("dD"), anyOf("0-7"), repeat(hexDigit, 2, 2)),
  ),
);

export const space = rule("space");
/** One character of a string's content. */
export const stringCharacter = rule("string-character");
export const anyString = rule("string");
export const anyNumber = rule("number");
export const anyInteger = rule("integer");
export const anyObject = rule("object");
export const anyArray = rule("array");
export const anyValue = rule("value");

export const comma = sequence(text(","), space);
export const quoted = (content: Expression): Expression => sequence(text('"'), content, text('"'));

/** Zero or more, with commas between. */
export function commaList(item: Expression, min = 0, max = Number.POSITIVE_INFINITY): Expression {
  if (max === 0) return sequence();
  const some = sequence(item, repeat(sequence(comma, item), Math.max(0, min - 1), max - 1));
  return min === 0 ? optional(some) : some;
}

export function braced(open: "{" | "[", content: Expression): Expression {
  return sequence(text(open), space, content, space, text(open === "{" ? "}" : "]"));
}

export function member(key: Expression, value: Expression): Expression {
  return sequence(key, text(":"), space, value);
}

export const jsonRules: ReadonlyMap<string, Expression> = new Map<string, Expression>([
  ["space", optional(choice(text(" "), sequence(text("\n"), repeat(anyOf(" \t"), 0, 20))))],
  [
    "string-character",
    choice(characters(complement(escaped)), sequence(text("\\"), choice(anyOf('"\\/bfnrt'), unicodeEscape))),
  ],
  ["string", quoted(repeat(stringCharacter, 0))],
  ["integer", sequence(optional(text("-")), choice(text("0"), sequence(anyOf("1-9"), repeat(digit, 0, 14))))],
  [
    "number",
    sequence(
      anyInteger,
      optional(sequence(text("."), repeat(digit, 1, 15))),
      optional(sequence(anyOf("eE"), optional(anyOf("+-")), repeat(digit, 1, 2))),
    ),
  ],
  ["object", braced("{", commaList(member(anyString, anyValue)))],
  ["array", braced("[", commaList(anyValue))],
  ["value", choice(anyObject, anyArray, anyString, anyNumber, text("true"), text("false"), text("null"))],
]);
