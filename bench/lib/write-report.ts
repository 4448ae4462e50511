import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chartSvg } from "./chart.js";
import { type Column, type Report, reached, type Target } from "./report.js";
import type { Spread } from "./statistics.js";

/** A report as files: NAME.json, NAME.md with the table, NAME.svg where there is a picture. */

export async function writeReport(report: Report, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${report.bench}.json`), `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(join(folder, `${report.bench}.md`), reportMarkdown(report));
  if (report.charts.length > 0) await writeFile(join(folder, `${report.bench}.svg`), chartSvg(report));
}

export function reportMarkdown(report: Report): string {
  const { bench, title, summary, machine, versions, seed, date, quick, seconds } = report;
  const again = `npm run bench -- ${bench}${quick ? " --quick" : ""}`;
  return [
    `# ${title}`,
    "",
    summary,
    "",
    ...(quick ? ["**Quick run: few settings and rounds; not to be quoted.**", ""] : []),
    ...(report.charts.length > 0 ? [`![${title}](${bench}.svg)`, ""] : []),
    ...checkLines(report),
    ...ratioTable(report),
    ...rowTable(report),
    ...report.notes.map((note) => `- ${note}`),
    "",
    `Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}; load ${machine.loadBefore} before, ${machine.loadAfter} after.`,
    `Versions: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}.`,
    `Seed ${seed}, ${date}, ${Math.round(seconds)} s. Run again: \`${again}\`.`,
    "",
  ].join("\n");
}

function checkLines({ checks }: Report): string[] {
  if (checks.length === 0) return [];
  return [...checks.map(({ name, passed, detail }) => `- ${passed ? "✓" : "✗"} ${name}: ${detail}`), ""];
}

function ratioTable({ ratios, targets }: Report): string[] {
  const entries = Object.entries(ratios);
  if (entries.length === 0) return [];
  const lines = entries.map(([name, value]) => {
    const target = targets[name];
    const ok = reached(value, target);
    return `| \`${name}\` | ${significant(value)} | ${targetText(target)} | ${ok === undefined ? "" : ok ? "yes" : "**no**"} |`;
  });
  return ["| figure | measured | wanted | reached |", "|---|---|---|---|", ...lines, ""];
}

function rowTable({ rows, columns }: Report): string[] {
  const used = Object.entries(columns).filter(([key]) => rows.some(({ measures }) => measures[key] !== undefined));
  const head = [
    "setting",
    "contender",
    ...used.map(([, { title, unit }]) => (unit === "" ? title : `${title}, ${unit}`)),
  ];
  const body = rows.map(({ setting, contender, measures }) => [
    setting,
    contender,
    ...used.map(([key, column]) => cell(measures[key], column)),
  ]);
  return [head, head.map((_, i) => (i < 2 ? "---" : "---:")), ...body]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .concat("");
}

function cell(spread: Spread | undefined, { digits }: Column): string {
  if (spread === undefined || Number.isNaN(spread.value)) return "";
  const { value, low, high } = spread;
  return low === high
    ? value.toFixed(digits)
    : `${value.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}

function targetText(target: Target | undefined): string {
  if (target === undefined) return "";
  const parts = [
    target.atLeast === undefined ? "" : `≥ ${target.atLeast}`,
    target.atMost === undefined ? "" : `≤ ${target.atMost}`,
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function significant(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}
