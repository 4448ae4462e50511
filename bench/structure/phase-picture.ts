/** The phase diagram as an SVG: share of runs without one error over the threshold, a mark for each depth, colours for methods. */
export interface PhasePoint {
  readonly method: string;
  readonly depth: number;
  readonly threshold: number;
  readonly share: number;
}

const [width, height, left, top] = [720, 380, 70, 44];
const plotWidth = 600;
const plotHeight = 270;
// Colours of Okabe and Ito: told apart with any colour vision; depths have shapes as well.
const colours = ["#0072B2", "#D55E00"];

export function phasePicture(points: readonly PhasePoint[]): string {
  const most = Math.max(...points.map(({ threshold }) => threshold)) * 1.05;
  const x = (threshold: number): number => left + (threshold / most) * plotWidth;
  const y = (share: number): number => top + (1 - share) * plotHeight;
  const methods = [...new Set(points.map(({ method }) => method))];
  const ticks = Array.from({ length: Math.floor(most / 0.5) + 1 }, (_, i) => i / 2);
  const label = (at: { x: number; y: number }, words: string, fill = "#333"): string =>
    `<text x="${at.x.toFixed(1)}" y="${at.y.toFixed(1)}" fill="${fill}" font-size="12" font-family="system-ui, sans-serif">${words}</text>`;
  const lines = methods.flatMap((method, m) =>
    [1, 2, 3].map((depth) => {
      const own = points
        .filter((p) => p.method === method && p.depth === depth)
        .sort((a, b) => a.threshold - b.threshold);
      const path = own
        .map((p, i) => `${i === 0 ? "M" : "L"}${x(p.threshold).toFixed(1)} ${y(p.share).toFixed(1)}`)
        .join("");
      return `<path d="${path}" fill="none" stroke="${colours[m]}" stroke-opacity="0.35"/>`;
    }),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    "<title>Exact recovery around the threshold</title>",
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    label({ x: left, y: 18 }, "Share of runs with every node right, over the threshold I at that depth"),
    `<path d="M${left} ${top}V${top + plotHeight}H${left + plotWidth}" fill="none" stroke="#333"/>`,
    `<path d="M${x(1)} ${top}V${top + plotHeight}" stroke="#999" stroke-dasharray="4 4"/>`,
    ...ticks.map((tick) => label({ x: x(tick) - 8, y: top + plotHeight + 18 }, tick.toFixed(1))),
    ...[0, 0.5, 1].map((share) => label({ x: left - 34, y: y(share) + 4 }, share.toFixed(1))),
    ...lines,
    ...points.map((p) => mark(p.depth, x(p.threshold), y(p.share), colours[methods.indexOf(p.method)]!)),
    ...methods.map((method, m) => label({ x: left + 150 * m, y: 36 }, method, colours[m])),
    label({ x: left + 340, y: 36 }, "circle depth 1, square depth 2, triangle depth 3"),
    label({ x: left + plotWidth - 12, y: top + plotHeight + 36 }, "I"),
    "</svg>",
    "",
  ].join("\n");
}

function mark(depth: number, x: number, y: number, colour: string): string {
  const at = (dx: number, dy: number): string => `${(x + dx).toFixed(1)} ${(y + dy).toFixed(1)}`;
  if (depth === 1)
    return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="5" fill="${colour}" fill-opacity="0.8"/>`;
  const path = depth === 2 ? `M${at(-4.5, -4.5)}h9v9h-9z` : `M${at(0, -5.5)}L${at(5, 4)}L${at(-5, 4)}z`;
  return `<path d="${path}" fill="${colour}" fill-opacity="0.8"/>`;
}
