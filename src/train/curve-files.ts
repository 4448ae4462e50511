import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { writeAtomically, writingError } from "../weights/atomic-file.js";
import type { CurvePoint, EvaluationPoint } from "./curve.js";

/** The curve of a run on disk: numbers as JSON, a picture as SVG. */

export interface CurveReport {
  readonly name: string;
  readonly parameters: number;
  readonly steps: number;
  readonly tokens: number;
  readonly seconds: number;
  readonly ended: string;
  readonly seed: number;
  readonly points: readonly CurvePoint[];
  readonly evaluations: readonly EvaluationPoint[];
}

export async function writeCurve(folder: string, report: CurveReport): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw writingError(folder, error);
  });
  const json = path.join(folder, "curve.json");
  await writeAtomically(json, (file) => file.write(Buffer.from(`${JSON.stringify(report, undefined, 1)}\n`)));
  const svg = path.join(folder, "curve.svg");
  await writeFile(svg, curveSvg(report)).catch((error: unknown) => {
    throw writingError(svg, error);
  });
}

const [width, height] = [720, 380];
const frame = { left: 62, right: 660, top: 46, bottom: 330 };
/** Okabe and Ito's colours, which people with any colour vision can tell apart. */
const [trainColour, evaluationColour, accuracyColour] = ["#0072B2", "#D55E00", "#009E73"];

export function curveSvg({ name, points, evaluations, parameters, seconds, steps }: CurveReport): string {
  const losses = [...points, ...evaluations].map(({ loss }) => loss).filter((loss) => loss > 0);
  const most = Math.max(...losses, 1e-6);
  const least = Math.max(Math.min(...losses, most), most * 1e-5);
  const last = Math.max(steps, ...points.map(({ step }) => step), 1);
  const x = (step: number): number => frame.left + (step / last) * (frame.right - frame.left);
  const span = Math.log(most / least) || 1;
  const y = (loss: number): number =>
    frame.bottom - (Math.log(Math.max(loss, least) / least) / span) * (frame.bottom - frame.top);
  const share = (value: number): number => frame.bottom - value * (frame.bottom - frame.top);
  const answered = evaluations.filter(({ accuracy }) => accuracy !== undefined);
  const line = (list: readonly (readonly [number, number])[], colour: string, dash = ""): string =>
    `<polyline fill="none" stroke="${colour}" stroke-width="1.6"${dash} points="${list.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(" ")}"/>`;
  const grid = lossTicks(least, most).map(
    (loss) =>
      `<line x1="${frame.left}" x2="${frame.right}" y1="${y(loss).toFixed(1)}" y2="${y(loss).toFixed(1)}" stroke="#ddd"/>${text(frame.left - 8, y(loss) + 4, String(loss), "end")}`,
  );
  const steps4 = [0, 0.25, 0.5, 0.75, 1].map((part) =>
    text(x(part * last), frame.bottom + 18, Math.round(part * last).toLocaleString("en-US"), "middle"),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, sans-serif">`,
    `<title>Training of ${escaped(name)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(
      20,
      24,
      `${name}: ${(parameters / 1e6).toFixed(2)}M weights, ${steps.toLocaleString("en-US")} steps, ${Math.round(seconds)} s`,
      "start",
      15,
    ),
    ...grid,
    ...steps4,
    line(
      points.map(({ step, loss }) => [x(step), y(loss)]),
      trainColour as string,
    ),
    line(
      evaluations.map(({ step, loss }) => [x(step), y(loss)]),
      evaluationColour as string,
    ),
    ...(answered.length === 0
      ? []
      : [
          line(
            answered.map(({ step, accuracy = 0 }) => [x(step), share(accuracy)]),
            accuracyColour as string,
            ' stroke-dasharray="4 3"',
          ),
          text(frame.right + 6, share(answered.at(-1)?.accuracy ?? 0) + 4, percent(answered.at(-1)?.accuracy), "start"),
        ]),
    text(frame.left, height - 10, "— loss in training (log scale)", "start", 12, trainColour),
    text(frame.left + 220, height - 10, "— loss on data kept back", "start", 12, evaluationColour),
    ...(answered.length === 0
      ? []
      : [text(frame.left + 410, height - 10, "- - right answers", "start", 12, accuracyColour)]),
    "</svg>",
    "",
  ].join("\n");
}

function percent(value = 0): string {
  return `${Math.round(100 * value)} %`;
}

/** 1, 2 and 5 of each power of ten between two losses. */
function lossTicks(least: number, most: number): number[] {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++)
    for (const digit of [1, 2, 5]) {
      const value = Number((digit * 10 ** power).toPrecision(3));
      if (value >= least && value <= most) ticks.push(value);
    }
  return ticks.length > 8 ? ticks.filter((value) => /^[0.]*1[0]*$/.test(String(value))) : ticks;
}

function text(x: number, y: number, words: string, anchor: string, size = 11, colour = "#333"): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="${size}" fill="${colour}" text-anchor="${anchor}">${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign] as string);
}
