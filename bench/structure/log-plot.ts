/** Lines over two logarithmic axes as an SVG: for growth laws, which show as slopes. */

export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly dashed?: boolean;
}

const colours = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#555555"];
const [width, height, left, right, top, bottom] = [860, 470, 80, 220, 50, 50];

export function logPlot({
  title,
  x,
  y,
  lines,
}: {
  title: string;
  x: string;
  y: string;
  lines: readonly Line[];
}): string {
  const all = lines.flatMap(({ points }) => points);
  const [x0, x1] = decades(all.map(([value]) => value));
  const [y0, y1] = decades(all.map(([, value]) => value));
  const atX = (value: number) => left + ((Math.log10(value) - x0) / (x1 - x0)) * (width - left - right);
  const atY = (value: number) => height - bottom - ((Math.log10(value) - y0) / (y1 - y0)) * (height - top - bottom);
  const text = (px: number, py: number, content: string, anchor = "start", fill = "#333", size = 12) =>
    `<text x="${px.toFixed(1)}" y="${py.toFixed(1)}" font-family="system-ui, sans-serif" font-size="${size}" fill="${fill}" text-anchor="${anchor}">${content}</text>`;
  const parts = [text(left, 26, title, "start", "#111", 15)];
  for (let power = x0; power <= x1; power++) {
    const px = atX(10 ** power);
    parts.push(
      `<line x1="${px}" x2="${px}" y1="${top}" y2="${height - bottom}" stroke="#ddd"/>`,
      text(px, height - bottom + 18, plain(10 ** power), "middle"),
    );
  }
  for (let power = y0; power <= y1; power++) {
    const py = atY(10 ** power);
    parts.push(
      `<line x1="${left}" x2="${width - right}" y1="${py}" y2="${py}" stroke="#ddd"/>`,
      text(left - 8, py + 4, plain(10 ** power), "end"),
    );
  }
  parts.push(text((left + width - right) / 2, height - 10, x, "middle"), text(14, 44, y));
  const ends = lines.map(({ points }) => atY(points[points.length - 1]?.[1] ?? 1));
  const places = spreadOut(ends, 16);
  lines.forEach(({ name, points, dashed }, i) => {
    const colour = colours[i % colours.length] as string;
    const path = points
      .map(([px, py], k) => `${k === 0 ? "M" : "L"}${atX(px).toFixed(1)} ${atY(py).toFixed(1)}`)
      .join("");
    parts.push(
      `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"${dashed ? ' stroke-dasharray="5 4"' : ""}/>`,
    );
    if (!dashed)
      for (const [px, py] of points)
        parts.push(`<circle cx="${atX(px).toFixed(1)}" cy="${atY(py).toFixed(1)}" r="3" fill="${colour}"/>`);
    parts.push(text(width - right + 12, (places[i] as number) + 4, name, "start", colour));
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img"><title>${title}</title><rect width="${width}" height="${height}" fill="#fff"/>${parts.join("\n")}</svg>\n`;
}

function decades(values: readonly number[]): [number, number] {
  const logs = values.map(Math.log10);
  const low = Math.floor(Math.min(...logs));
  return [low, Math.max(low + 1, Math.ceil(Math.max(...logs)))];
}

function plain(value: number): string {
  return value >= 1e6 || value < 1e-3 ? value.toExponential(0).replace("+", "") : String(value);
}

/** Heights moved apart so that labels do not cover each other. */
function spreadOut(heights: readonly number[], gap: number): number[] {
  const order = heights.map((_, i) => i).sort((a, b) => (heights[a] as number) - (heights[b] as number));
  const placed = [...heights];
  for (let i = 1; i < order.length; i++) {
    const [above, here] = [order[i - 1] as number, order[i] as number];
    placed[here] = Math.max(placed[here] as number, (placed[above] as number) + gap);
  }
  return placed;
}
