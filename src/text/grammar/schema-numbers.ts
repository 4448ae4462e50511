/** Numbers between two bounds, digit by digit. Numbers are written without exponent and with at most 15 significant digits, so
 *  that each is exact enough to be compared with the bounds as it is written. */

import { anyOf, choice, type Expression, sequence, text } from "./expression.js";
import { NothingFits, unsupported, wrongSchema } from "./schema-error.js";

export interface Bounds {
  readonly minimum?: unknown;
  readonly maximum?: unknown;
  readonly exclusiveMinimum?: unknown;
  readonly exclusiveMaximum?: unknown;
}

const significantDigits = 15;
const largest = 10 ** significantDigits - 1;

interface Bound {
  readonly value: number;
  readonly included: boolean;
}

/** `define` gives an expression a name of its own and returns a reference to it. */
export function boundedNumber(
  bounds: Bounds,
  integer: boolean,
  path: string,
  define: (expression: Expression) => Expression,
): Expression {
  const low = tighter(read(bounds, "minimum", path), read(bounds, "exclusiveMinimum", path), Math.max);
  const high = tighter(read(bounds, "maximum", path), read(bounds, "exclusiveMaximum", path), Math.min);
  const from = low ?? { value: -largest, included: true };
  const to = high ?? { value: largest, included: true };

  const options: Expression[] = [];
  // Numbers from zero on, and those below zero as a minus and their size; zero itself has no minus.
  if (to.value >= 0) {
    options.push(...sizes(from.value < 0 ? { value: 0, included: true } : from, to, integer, path, define));
  }
  if (from.value < 0) {
    const least = to.value < 0 ? { value: -to.value, included: to.included } : { value: 0, included: false };
    const most = { value: -from.value, included: from.included };
    const below = sizes(least, most, integer, path, define);
    if (below.length > 0) options.push(sequence(text("-"), choice(...below)));
  }
  if (options.length === 0) {
    throw new NothingFits(path, `no ${integer ? "integer" : "number"} lies between ${from.value} and ${to.value}`);
  }
  return choice(...options);
}

function read(bounds: Bounds, keyword: keyof Bounds, path: string): Bound | undefined {
  const value = bounds[keyword];
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isFinite(value)) throw wrongSchema(path, keyword, "a number", value);
  const included = keyword === "minimum" || keyword === "maximum";
  if (Math.abs(value) > largest) return { value: Math.sign(value) * largest, included: true };
  if (decimals(Math.abs(value)) === undefined) throw unsupported(path, keyword, `${value} has more than 15 digits`);
  return { value, included };
}

function tighter(
  a: Bound | undefined,
  b: Bound | undefined,
  pick: (a: number, b: number) => number,
): Bound | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.value === b.value) return { value: a.value, included: false };
  return pick(a.value, b.value) === a.value ? a : b;
}

/** Digits before and after the point; undefined where they are too many. */
function decimals(value: number): { whole: string; fraction: string } | undefined {
  const [mantissa, exponent] = String(value).split("e") as [string, string | undefined];
  let [whole, fraction = ""] = mantissa.split(".") as [string, string | undefined];
  if (exponent !== undefined) {
    if (!exponent.startsWith("-")) return undefined;
    fraction = "0".repeat(Number(exponent.slice(1)) - 1) + whole + fraction;
    whole = "0";
  }
  return whole.length + fraction.length <= significantDigits + 1 && fraction.length < significantDigits
    ? { whole, fraction }
    : undefined;
}

/** Numbers from `low` to `high`, neither below zero, by their count of digits before the point. */
function sizes(
  low: Bound,
  high: Bound,
  integer: boolean,
  path: string,
  define: (expression: Expression) => Expression,
): Expression[] {
  if (low.value > high.value || (low.value === high.value && !(low.included && high.included))) return [];
  const from = decimals(low.value);
  const to = decimals(high.value);
  if (from === undefined || to === undefined) throw unsupported(path, "minimum", "its bounds have too many digits");
  const options: Expression[] = [];
  for (let count = from.whole.length; count <= to.whole.length; count++) {
    const fractionDigits = integer ? 0 : significantDigits - count;
    const width = count + fractionDigits;
    const lowDigits = count === from.whole.length ? (from.whole + from.fraction).padEnd(width, "0") : undefined;
    const highDigits = count === to.whole.length ? (to.whole + to.fraction).padEnd(width, "0") : undefined;
    const number = digitsBetween(
      { low: lowDigits, high: highDigits, lowIn: low.included, highIn: high.included },
      count,
      width,
      define,
    );
    if (number !== undefined) options.push(number);
  }
  return options;
}

interface Limits {
  /** All digits of the bounds; undefined where the count of digits alone is enough. They may be longer than `width`. */
  readonly low: string | undefined;
  readonly high: string | undefined;
  readonly lowIn: boolean;
  readonly highIn: boolean;
}

function digitsBetween(
  { low, high, lowIn, highIn }: Limits,
  count: number,
  width: number,
  define: (expression: Expression) => Expression,
): Expression | undefined {
  const made = new Map<string, Expression | undefined>();
  const restIsZero = (digits: string, at: number) => /^0*$/.test(digits.slice(at));

  /** What may follow after `at` digits; `onLow`: they are those of the lower bound so far. undefined: nothing can. */
  const from = (at: number, onLow: boolean, onHigh: boolean): Expression | undefined => {
    const key = `${at} ${onLow} ${onHigh}`;
    if (made.has(key)) return made.get(key);
    const options: Expression[] = [];
    const mayStop =
      at >= count && (!onLow || (restIsZero(low!, at) && lowIn)) && (!onHigh || !restIsZero(high!, at) || highIn);
    if (mayStop) options.push(sequence());
    if (at < width) {
      const behindPoint: Expression[] = [];
      const least = onLow ? Number(low![at]) : at === 0 && count > 1 ? 1 : 0;
      const most = onHigh ? Number(high![at]) : 9;
      const plain: number[] = [];
      for (let digit = least; digit <= most; digit++) {
        const stillLow = onLow && digit === least;
        const stillHigh = onHigh && digit === most;
        if (!stillLow && !stillHigh) {
          plain.push(digit);
          continue;
        }
        const rest = from(at + 1, stillLow, stillHigh);
        if (rest !== undefined) behindPoint.push(sequence(text(String(digit)), rest));
      }
      if (plain.length > 0) {
        const rest = from(at + 1, false, false);
        if (rest !== undefined) behindPoint.push(sequence(anyOf(`${plain[0]}-${plain.at(-1)}`), rest));
      }
      if (behindPoint.length > 0) {
        options.push(at === count ? sequence(text("."), choice(...behindPoint)) : choice(...behindPoint));
      }
    }
    const expression = options.length === 0 ? undefined : define(choice(...options));
    made.set(key, expression);
    return expression;
  };
  return from(0, low !== undefined, high !== undefined);
}
