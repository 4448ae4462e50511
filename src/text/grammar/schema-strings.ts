/** Strings of JSON schemas: lengths, patterns and the formats that are easy to write down. */

import { anyOf, choice, type Expression, repeat, sequence, text } from "./expression.js";
import { anyString, hexDigit, quoted, stringCharacter } from "./json-text.js";
import { unsupported, wrongSchema } from "./schema-error.js";
import { patternContent } from "./schema-pattern.js";

const mostCharacters = 20_000;

export function boundedString(schema: Readonly<Record<string, unknown>>, path: string): Expression {
  const { pattern, format, minLength, maxLength } = schema;
  const isBounded = minLength !== undefined || maxLength !== undefined;
  if (format !== undefined && !(typeof format === "string" && Object.hasOwn(formats, format))) {
    throw unsupported(path, "format", `"${String(format)}" is none of ${Object.keys(formats).join(", ")}`);
  }
  if (pattern !== undefined || format !== undefined) {
    if (isBounded) throw unsupported(path, "minLength/maxLength", "it cannot be kept beside a pattern or format");
    // Where a schema has both, the pattern is the format's, only stricter.
    return quoted(pattern === undefined ? formats[format as string]! : patternContent(pattern, path));
  }
  if (!isBounded) return anyString;
  const min = count(minLength ?? 0, "minLength", path);
  const max = maxLength === undefined ? Number.POSITIVE_INFINITY : count(maxLength, "maxLength", path);
  return quoted(repeat(stringCharacter, min, Math.max(min, max)));
}

/** A number of characters or items that a grammar can count. */
export function count(value: unknown, keyword: string, path: string): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) {
    throw wrongSchema(path, keyword, "a whole number from 0", value);
  }
  if (value > mostCharacters) throw unsupported(path, keyword, `${value} is more than ${mostCharacters}`);
  return value;
}

const digit = anyOf("0-9");
const year = repeat(digit, 4, 4);
const upTo = (tens: string, lastTen: string, ones: string) =>
  choice(sequence(anyOf(tens), digit), sequence(text(lastTen), anyOf(ones)));

/** Days 29 to 31 where every year has them: the 29th of February is left out. */
const monthAndDay = choice(
  sequence(choice(sequence(text("0"), anyOf("13578")), sequence(text("1"), anyOf("02"))), text("-"), days("0-1")),
  sequence(choice(sequence(text("0"), anyOf("469")), text("11")), text("-"), days("0")),
  sequence(
    text("02-"),
    choice(sequence(text("0"), anyOf("1-9")), sequence(text("1"), digit), sequence(text("2"), anyOf("0-8"))),
  ),
);

function days(lastOnes: string): Expression {
  return choice(sequence(text("0"), anyOf("1-9")), sequence(anyOf("12"), digit), sequence(text("3"), anyOf(lastOnes)));
}

const date = sequence(year, text("-"), monthAndDay);
const minutes = sequence(anyOf("0-5"), digit);
const clock = sequence(
  upTo("01", "2", "0-3"),
  text(":"),
  minutes,
  text(":"),
  minutes,
  repeat(sequence(text("."), repeat(digit, 1, 9)), 0, 1),
);
const hex = (length: number) => repeat(hexDigit, length, length);
const byte = choice(
  digit,
  sequence(anyOf("1-9"), digit),
  sequence(text("1"), digit, digit),
  sequence(text("2"), anyOf("0-4"), digit),
  sequence(text("25"), anyOf("0-5")),
);

const formats: Readonly<Record<string, Expression>> = {
  date,
  time: sequence(clock, text("Z")),
  "date-time": sequence(date, text("T"), clock, text("Z")),
  uuid: sequence(
    hex(8),
    text("-"),
    hex(4),
    text("-"),
    anyOf("1-8"),
    hex(3),
    text("-"),
    anyOf("89abAB"),
    hex(3),
    text("-"),
    hex(12),
  ),
  ipv4: sequence(byte, text("."), byte, text("."), byte, text("."), byte),
};
