/** Lays texts side by side into passes of at most `capacity` rows, so that hardly a row is padding: longest first, each into the
 *  fullest pass that still has room for it. */

export interface Pass {
  /** Numbers of the texts, in the order of their rows. */
  readonly texts: readonly number[];
  readonly rows: number;
}

/** No length may exceed `capacity`. Every text is in exactly one pass. */
export function packTexts(lengths: readonly number[], capacity: number): Pass[] {
  const order = [...lengths.keys()].sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const passes: { texts: number[]; rows: number }[] = [];
  /** Passes by the rows they have left. */
  const byRoom: { texts: number[]; rows: number }[][] = Array.from({ length: capacity + 1 }, () => []);
  for (const text of order) {
    const length = lengths[text]!;
    let room = length;
    while (room <= capacity && byRoom[room]!.length === 0) room++;
    let pass = room <= capacity ? byRoom[room]!.pop() : undefined;
    if (pass === undefined) {
      pass = { texts: [], rows: 0 };
      passes.push(pass);
    }
    pass.texts.push(text);
    pass.rows += length;
    byRoom[capacity - pass.rows]!.push(pass);
  }
  return passes;
}

/** Texts that see themselves only, as f16 bits in a mask of `rows` times `rows`; rows beyond the texts see nothing. */
export function fillMask(mask: Uint16Array, rows: number, lengths: readonly number[]): void {
  mask.fill(minusInfinity);
  let start = 0;
  for (const length of lengths) {
    for (let row = start; row < start + length; row++) mask.fill(0, row * rows + start, row * rows + start + length);
    start += length;
  }
}

const minusInfinity = 0xfc00;
