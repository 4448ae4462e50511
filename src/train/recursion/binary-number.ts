import { QuireError } from "../../errors.js";

/** Positive binary numbers as data built by constructors: `01` is one, `X0 b` is 2b, `X1 b` is 2b + 1. Natural order writes the
 *  outermost constructor first, which is the least significant bit: 6 is `X0 X1 01`. Reverse order writes the same symbols backwards. */

export type NumberOrder = "natural" | "reverse";

/** Bits below 2⁵³. */
export const mostNumberLength = 53;

export function encodeNumber(value: number, order: NumberOrder = "natural"): string[] {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new QuireError("bad-input", `${value} is not a positive whole number.`, {
      got: value,
      expected: `1 to 2^${mostNumberLength} - 1`,
    });
  }
  const symbols: string[] = [];
  for (let rest = value; rest > 1; rest = Math.floor(rest / 2)) symbols.push(rest % 2 === 0 ? "X0" : "X1");
  symbols.push("01");
  return inOrder(symbols, order);
}

export function decodeNumber(symbols: readonly string[], order: NumberOrder = "natural"): number {
  const natural = inOrder(checkedNumber(symbols, order), order);
  let value = 1;
  for (let place = natural.length - 2; place >= 0; place--) value = 2 * value + (natural[place] === "X1" ? 1 : 0);
  return value;
}

/** s(01) = X0 01; s(X0 b) = X1 b; s(X1 b) = X0 s(b). */
export function successor(symbols: readonly string[], order: NumberOrder = "natural"): string[] {
  return inOrder(next(inOrder(checkedNumber(symbols, order), order)), order);
}

function next([first, ...rest]: readonly string[]): string[] {
  if (first === "01") return ["X0", "01"];
  return first === "X0" ? ["X1", ...rest] : ["X0", ...next(rest)];
}

/** Recursive calls that the successor makes: the X1 in front, in natural order. */
export function carryDepth(symbols: readonly string[], order: NumberOrder = "natural"): number {
  const natural = inOrder(symbols, order);
  const end = natural.findIndex((symbol) => symbol !== "X1");
  return end < 0 ? natural.length : end;
}

/** States of the evaluation, first and last included: what is finished, `s`, what is left. One step moves one symbol. */
export function successorStates(symbols: readonly string[], order: NumberOrder = "natural"): string[][] {
  const natural = inOrder(checkedNumber(symbols, order), order);
  const depth = carryDepth(natural);
  const states: string[][] = [];
  for (let moved = 0; moved <= depth; moved++) {
    states.push([...new Array<string>(moved).fill("X0"), "s", ...natural.slice(moved)]);
  }
  states.push(next(natural));
  return states.map((state) => inOrder(state, order));
}

export function inOrder(symbols: readonly string[], order: NumberOrder): string[] {
  return order === "natural" ? [...symbols] : [...symbols].reverse();
}

function checkedNumber(symbols: readonly string[], order: NumberOrder): readonly string[] {
  const one = order === "natural" ? symbols.length - 1 : 0;
  for (const [place, symbol] of symbols.entries()) {
    const fits = place === one ? symbol === "01" : symbol === "X0" || symbol === "X1";
    if (!fits) throw notANumber(symbols, place, place === one ? "01" : "X0 or X1", order);
  }
  if (symbols.length === 0) throw notANumber(symbols, 0, "01", order);
  if (symbols.length > mostNumberLength) throw notANumber(symbols, mostNumberLength, "the end", order);
  return symbols;
}

function notANumber(symbols: readonly string[], place: number, expected: string, order: NumberOrder): QuireError {
  const other = order === "natural" ? "reverse" : "natural";
  const turned = symbols.length > 1 && symbols[order === "natural" ? 0 : symbols.length - 1] === "01";
  return new QuireError("bad-input", `Not a binary number in ${order} order: symbol ${place} is wrong.`, {
    got: symbols[place] ?? "the end",
    expected: `${expected} at symbol ${place}`,
    ...(turned ? { fix: `It looks like ${other} order.` } : {}),
  });
}
