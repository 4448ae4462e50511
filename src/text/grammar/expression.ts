/** A grammar as data: named rules over characters. GBNF texts and JSON schemas both become this; `network.ts` makes it runnable. */

export type Expression =
  | { readonly kind: "text"; readonly text: string }
  /** One character of the ranges, given as code points, both ends included. */
  | { readonly kind: "characters"; readonly ranges: readonly CodeRange[] }
  | { readonly kind: "sequence"; readonly items: readonly Expression[] }
  | { readonly kind: "choice"; readonly options: readonly Expression[] }
  | { readonly kind: "repeat"; readonly item: Expression; readonly min: number; readonly max: number }
  | { readonly kind: "rule"; readonly name: string };

export type CodeRange = readonly [from: number, to: number];

export interface Grammar {
  readonly start: string;
  readonly rules: ReadonlyMap<string, Expression>;
}

export const text = (literal: string): Expression => ({ kind: "text", text: literal });
export const sequence = (...items: readonly Expression[]): Expression => ({ kind: "sequence", items });
export const choice = (...options: readonly Expression[]): Expression =>
  options.length === 1 ? options[0]! : { kind: "choice", options };
export const repeat = (item: Expression, min: number, max = Number.POSITIVE_INFINITY): Expression => ({
  kind: "repeat",
  item,
  min,
  max,
});
export const optional = (item: Expression): Expression => repeat(item, 0, 1);
export const rule = (name: string): Expression => ({ kind: "rule", name });
export const characters = (ranges: readonly CodeRange[]): Expression => ({
  kind: "characters",
  ranges: joined(ranges),
});

/** `"a-z0-9_"` and the like: a character, or two with a hyphen between. */
export function anyOf(written: string): Expression {
  const points = Array.from(written, (character) => character.codePointAt(0)!);
  const ranges: CodeRange[] = [];
  for (let i = 0; i < points.length; i++) {
    if (points[i + 1] === 0x2d && i + 2 < points.length) {
      ranges.push([points[i]!, points[i + 2]!]);
      i += 2;
    } else {
      ranges.push([points[i]!, points[i]!]);
    }
  }
  return characters(ranges);
}

export const lastCodePoint = 0x10ffff;

/** In order, without overlaps. */
export function joined(ranges: readonly CodeRange[]): CodeRange[] {
  const result: CodeRange[] = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (last !== undefined && from <= last[1] + 1) result[result.length - 1] = [last[0], Math.max(last[1], to)];
    else if (from <= to) result.push([from, to]);
  }
  return result;
}

/** All code points but those. */
export function complement(ranges: readonly CodeRange[]): CodeRange[] {
  const result: CodeRange[] = [];
  let from = 0;
  for (const [start, end] of joined(ranges)) {
    if (start > from) result.push([from, start - 1]);
    from = end + 1;
  }
  if (from <= lastCodePoint) result.push([from, lastCodePoint]);
  return result;
}

export function intersection(a: readonly CodeRange[], b: readonly CodeRange[]): CodeRange[] {
  return complement([...complement(a), ...complement(b)]);
}
