/** A curve in the terminal, drawn with braille characters, each of two by four dots. */

export interface DrawnCurve {
  readonly points: readonly { readonly step: number; readonly loss: number }[];
  readonly columns: number;
  readonly rows: number;
}

/** Lines of text; losses on a logarithmic scale, with the highest and the lowest beside the axis. */
export function lossCurve({ points, columns, rows }: DrawnCurve): string[] {
  const shown = points.filter(({ loss }) => loss > 0 && Number.isFinite(loss));
  if (shown.length < 2) return [];
  const label = 8;
  const [wide, high] = [2 * Math.max(4, columns - label - 2), 4 * rows];
  const losses = shown.map(({ loss }) => Math.log(loss));
  const [least, most] = [Math.min(...losses), Math.max(...losses)];
  const first = shown[0]?.step ?? 0;
  const last = shown.at(-1)?.step ?? 1;
  const cells = Array.from({ length: rows }, () => new Uint8Array(wide / 2));
  let before: number | undefined;
  for (let column = 0; column < wide; column++) {
    const step = first + ((last - first) * column) / (wide - 1);
    const loss = lossAt(shown, step);
    const row = Math.min(high - 1, Math.round(((most - Math.log(loss)) / (most - least || 1)) * (high - 1)));
    const [from, to] = [Math.min(before ?? row, row), Math.max(before ?? row, row)];
    for (let dot = from; dot <= to; dot++) setDot(cells, column, dot);
    before = row;
  }
  const lines = cells.map((row) => [...row].map((dots) => String.fromCharCode(0x2800 + dots)).join(""));
  return lines.map((line, row) => {
    const value = row === 0 ? figure(Math.exp(most)) : row === rows - 1 ? figure(Math.exp(least)) : "";
    return `${value.padStart(label)} ┤${line.replace(/\u2800+$/, "")}`;
  });
}

/** Straight between the points. */
function lossAt(points: DrawnCurve["points"], step: number): number {
  const after = points.findIndex((point) => point.step >= step);
  const right = points[after < 0 ? points.length - 1 : after];
  const left = points[Math.max(0, (after < 0 ? points.length : after) - 1)];
  if (left === undefined || right === undefined || right.step === left.step) return right?.loss ?? 1;
  const share = (step - left.step) / (right.step - left.step);
  return left.loss + (right.loss - left.loss) * Math.min(1, Math.max(0, share));
}

const dotBits = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;

function setDot(cells: readonly Uint8Array[], column: number, dot: number): void {
  const row = cells[Math.floor(dot / 4)];
  const bit = dotBits[column % 2]?.[dot % 4];
  if (row === undefined || bit === undefined) return;
  const cell = Math.floor(column / 2);
  row[cell] = (row[cell] ?? 0) | bit;
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
