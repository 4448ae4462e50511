/** Finds the numbers in square brackets with which an answer cites its evidence: [1], [2, 3], [1][2]. */

export type Piece = { readonly text: string } | { readonly cites: readonly number[] };

export function splitCitations(text: string, known: readonly number[]): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const found of text.matchAll(/\s?\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]/g)) {
    const numbers = (found[1] ?? "").split(",").map(Number);
    if (!numbers.every((number) => known.includes(number))) continue;
    if (found.index > from) pieces.push({ text: text.slice(from, found.index) });
    pieces.push({ cites: numbers });
    from = found.index + found[0].length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from) });
  return pieces;
}
