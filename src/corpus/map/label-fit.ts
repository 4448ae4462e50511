/** The largest lettering of a name that fits a convex polygon: words broken over lines in several ways, and for each way the place where
 *  a box of its shape can be largest. A box of half sides s·w, s·h around c lies inside while s · (|nx|·w + |ny|·h) is at most the
 *  distance of c to every side, so the largest s for a place is a minimum over sides. */

export interface FittedLabel {
  readonly x: number;
  readonly y: number;
  /** Height of the letters' line in the polygon's units. */
  readonly font: number;
  readonly lines: readonly string[];
}

/** Width of a text whose font size is 1. */
export type MeasureText = (text: string) => number;

export const lineHeight = 1.16;
/** Room between words and sides, in font sizes. */
const margin = 0.35;
const mostLines = 5;

/** `most` caps the font. Undefined where nothing of at least `least` fits. */
export function fitLabel(
  points: ArrayLike<number>,
  name: string,
  measure: MeasureText,
  { least, most }: { least: number; most: number },
): FittedLabel | undefined {
  const sides = sidesOf(points);
  let best: FittedLabel | undefined;
  for (const lines of breakings(name, measure)) {
    const width = Math.max(...lines.map(measure)) / 2 + margin;
    const height = (lines.length * lineHeight) / 2 + margin * 0.6;
    const { x, y, size } = largestBox(sides, points, width, height);
    const font = Math.min(size, most);
    // Fewer lines where more gain little.
    if (font >= least && font > (best?.font ?? 0) * 1.08) best = { x, y, font, lines };
  }
  return best;
}

interface Side {
  readonly nx: number;
  readonly ny: number;
  readonly d: number;
}

/** Half-planes n · p <= d, for corners in either direction. */
function sidesOf(points: ArrayLike<number>): Side[] {
  const count = points.length / 2;
  let area = 0;
  for (let i = 0; i < count; i++) {
    const j = (i + 1) % count;
    area += points[2 * i]! * points[2 * j + 1]! - points[2 * j]! * points[2 * i + 1]!;
  }
  const turn = area >= 0 ? 1 : -1;
  const sides: Side[] = [];
  for (let i = 0; i < count; i++) {
    const j = (i + 1) % count;
    const dx = points[2 * j]! - points[2 * i]!;
    const dy = points[2 * j + 1]! - points[2 * i + 1]!;
    const length = Math.hypot(dx, dy);
    if (length === 0) continue;
    const nx = (turn * dy) / length;
    const ny = (-turn * dx) / length;
    sides.push({ nx, ny, d: nx * points[2 * i]! + ny * points[2 * i + 1]! });
  }
  return sides;
}

function sizeAt(sides: readonly Side[], x: number, y: number, width: number, height: number): number {
  let size = Number.POSITIVE_INFINITY;
  for (const { nx, ny, d } of sides) {
    size = Math.min(size, (d - nx * x - ny * y) / (Math.abs(nx) * width + Math.abs(ny) * height));
  }
  return size;
}

/** The size is a concave function of the place, so climbing with shrinking steps from the middle finds the top. */
function largestBox(sides: readonly Side[], points: ArrayLike<number>, width: number, height: number) {
  const count = points.length / 2;
  let x = 0;
  let y = 0;
  let reach = 0;
  for (let i = 0; i < count; i++) {
    x += points[2 * i]! / count;
    y += points[2 * i + 1]! / count;
  }
  for (let i = 0; i < count; i++) reach = Math.max(reach, Math.hypot(points[2 * i]! - x, points[2 * i + 1]! - y));
  let size = sizeAt(sides, x, y, width, height);
  for (let step = reach / 2; step > reach / 100; step /= 2) {
    for (let moved = true, tries = 0; moved && tries < 8; tries++) {
      moved = false;
      for (const [dx, dy] of directions) {
        const there = sizeAt(sides, x + dx * step, y + dy * step, width, height);
        if (there > size * 1.001) {
          size = there;
          x += dx * step;
          y += dy * step;
          moved = true;
        }
      }
    }
  }
  return { x, y, size };
}

const diagonal = Math.SQRT1_2;
const directions: readonly (readonly [number, number])[] = [
  [1, 0],
  [-1, 0],
  [0, 1],
  [0, -1],
  [diagonal, diagonal],
  [-diagonal, diagonal],
  [diagonal, -diagonal],
  [-diagonal, -diagonal],
];

/** The name on one line, two lines and so on, lines as even as words allow. */
function breakings(name: string, measure: MeasureText): string[][] {
  const words = name.split(" ").filter((word) => word !== "");
  const found: string[][] = [];
  for (let count = 1; count <= Math.min(mostLines, words.length); count++) {
    const lines = broken(words, count, measure);
    if (lines.length === count) found.push(lines);
  }
  return found.length > 0 ? found : [[name]];
}

/** The narrowest width that needs at most `count` lines, found by trying the widths of runs of words. */
function broken(words: readonly string[], count: number, measure: MeasureText): string[] {
  const total = measure(words.join(" "));
  let low = total / count;
  let high = total;
  let best = [words.join(" ")];
  for (let step = 0; step < 8; step++) {
    const width = step === 0 ? low : (low + high) / 2;
    const lines = filled(words, width, measure);
    if (lines.length <= count) {
      best = lines;
      high = width;
    } else low = width;
  }
  return best;
}

function filled(words: readonly string[], width: number, measure: MeasureText): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && measure(longer) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  if (line !== "") lines.push(line);
  return lines;
}

/** Widths of common sans-serif letters, where no canvas can measure: on the wide side, so that what fits here fits there. */
export function estimatedWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    if (/[ilj.,:;'|!]/.test(character)) width += 0.29;
    else if (/[frt()[\]{}\-/ I]/.test(character)) width += 0.35;
    else if (/[mwMW@%]/.test(character)) width += 0.88;
    else if (/[A-Z_&]/.test(character)) width += 0.7;
    else if (/[\u2e80-\uffef]/.test(character)) width += 1;
    else width += 0.57;
  }
  return width;
}
