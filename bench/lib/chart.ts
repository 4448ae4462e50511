import type { Chart, Report, Row } from "./report.js";

/** Horizontal bars by setting and contender as an SVG, with whiskers for the spread. Colours are those of Okabe and Ito, which
 *  people with any colour vision can tell apart; every bar also carries its number. */

const colours = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#F0E442"];
const width = 860;
const labelWidth = 250;
const barHeight = 17;
const font = 'font-family="system-ui, sans-serif"';

export function chartSvg(report: Report): string {
  let top = 20;
  const parts: string[] = [];
  for (const chart of report.charts) {
    const block = chartBlock(report, chart, top);
    parts.push(...block.parts);
    top = block.bottom + 26;
  }
  const { machine, date } = report;
  parts.push(
    text(20, top, `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${date.slice(0, 10)}`, "#555", 11),
  );
  const height = top + 16;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(report.title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function chartBlock(report: Report, chart: Chart, start: number): { parts: string[]; bottom: number } {
  const { measure } = chart;
  const column = report.columns[measure];
  const rows = report.rows.filter((row) => row.measures[measure] !== undefined);
  const settings = chart.settings ?? [...new Set(rows.map(({ setting }) => setting))];
  const contenders = [...new Set(rows.map(({ contender }) => contender))];
  const shown = rows.filter(({ setting }) => settings.includes(setting));
  const largest = Math.max(...shown.map((row) => row.measures[measure]?.high ?? 0), Number.MIN_VALUE);
  const x = (value: number) => labelWidth + (Math.max(0, value) / largest) * (width - labelWidth - 110);
  const better = column?.better === "neither" ? "" : `, ${column?.better} is better`;
  const parts = [text(20, start + 12, `${chart.title} (${column?.unit || "share"}${better})`, "#111", 15, "600")];
  let y = start + 26;
  for (const setting of settings) {
    parts.push(text(20, y + 14, setting, "#111", 12, "600"));
    y += 20;
    for (const row of shown.filter((one) => one.setting === setting)) {
      const colour = colours[contenders.indexOf(row.contender) % colours.length] as string;
      parts.push(...bar(row, measure, column?.digits ?? 2, colour, y, x));
      y += barHeight + 4;
    }
    y += 6;
  }
  return { parts, bottom: y };
}

function bar(
  row: Row,
  measure: string,
  digits: number,
  colour: string,
  y: number,
  x: (value: number) => number,
): string[] {
  const spread = row.measures[measure];
  if (spread === undefined) return [];
  const { value, low, high } = spread;
  const middle = y + barHeight / 2;
  const length = Math.max(1, x(value) - labelWidth);
  const parts = [
    text(labelWidth - 8, y + 13, row.contender, "#111", 12, "400", "end"),
    `<rect x="${labelWidth}" y="${y}" width="${fixed(length)}" height="${barHeight}" fill="${colour}" rx="2"/>`,
    text(Math.max(x(value), x(high)) + 6, y + 13, value.toFixed(digits), "#111", 12),
  ];
  if (high > low) {
    const line = `x1="${fixed(x(low))}" x2="${fixed(x(high))}" y1="${middle}" y2="${middle}"`;
    parts.push(`<line ${line} stroke="#fff" stroke-width="4"/><line ${line} stroke="#111" stroke-width="1.5"/>`);
  }
  return parts;
}

function text(
  x: number,
  y: number,
  content: string,
  fill: string,
  size: number,
  weight = "400",
  anchor = "start",
): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" ${font} font-size="${size}" font-weight="${weight}" fill="${fill}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function fixed(value: number): string {
  return value.toFixed(1);
}

function escaped(content: string): string {
  return content.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}
