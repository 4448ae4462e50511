import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Report } from "./report.js";

/** The table of figures in the README, made from the reports in docs/results, so that the two cannot differ. */

type Ratios = Readonly<Record<string, number>>;

interface Line {
  readonly bench: string;
  readonly text: string;
  /** undefined where the report lacks a figure. */
  readonly figures: (ratios: Ratios) => (string | undefined)[];
}

const share = (value: number | undefined) => (value === undefined ? undefined : `${Math.round(value * 100)} %`);
const times = (value: number | undefined) => (value === undefined ? undefined : `${value.toFixed(2)}x`);
const count = (value: number | undefined) => (value === undefined ? undefined : String(value));

const lines: readonly Line[] = [
  {
    bench: "ask",
    text: "questions on a generated corpus (100): right place among the first five / right answer / false citations",
    figures: (r) => [
      share(r["recallAt5:generated:smollm2-135m-instruct"]),
      share(r["right:generated:smollm2-135m-instruct"]),
      count(r["falseCitations:generated:smollm2-135m-instruct"]),
    ],
  },
  {
    bench: "ask",
    text: "questions on the Debian Policy Manual (31): the same",
    figures: (r) => [
      share(r["recallAt5:debian-policy-manual:smollm2-135m-instruct"]),
      share(r["right:debian-policy-manual:smollm2-135m-instruct"]),
      count(r["falseCitations:debian-policy-manual:smollm2-135m-instruct"]),
    ],
  },
  {
    bench: "decode",
    text: "decoding speed beside node-llama-cpp at 128 / 4,096 tokens of context",
    figures: (r) => [times(r["vsNodeLlamaCpp"]), times(r["vsNodeLlamaCpp4k"])],
  },
  {
    bench: "decode",
    text: "the same beside a bare `llama_decode` loop",
    figures: (r) => [times(r["vsLlamaDecode"]), times(r["vsLlamaDecode4k"])],
  },
  {
    bench: "decode",
    text: "prompt reading speed beside node-llama-cpp, 512 / 4,096 tokens",
    figures: (r) => [times(r["prefillVsNodeLlamaCpp"]), times(r["prefillVsNodeLlamaCpp4k"])],
  },
  {
    bench: "load",
    text: "loading beside node-llama-cpp: time / resident memory",
    figures: (r) => [times(r["loadVsNodeLlamaCpp"]), times(r["rssVsNodeLlamaCpp"])],
  },
  {
    bench: "search",
    text: "search in an index: chunks / median time",
    figures: (r) => [
      r["chunks"]?.toLocaleString("en"),
      r["searchP50Ms"] === undefined ? undefined : `${r["searchP50Ms"].toFixed(0)} ms`,
    ],
  },
  {
    bench: "embed",
    text: "embedding speed beside onnxruntime, texts of mixed length: exact (f32) / rounded (bf16)",
    figures: (r) => [times(r["mixedVsTransformers"]), times(r["mixedBf16VsTransformers"])],
  },
];

const start = "<!-- figures: written by npm run bench -->";
const end = "<!-- /figures -->";

export async function readmeFigures(results: string): Promise<string> {
  const rows: string[] = [];
  for (const { bench, text, figures } of lines) {
    const path = join(results, `${bench}.json`);
    if (!existsSync(path)) continue;
    const report = JSON.parse(await readFile(path, "utf8")) as Report;
    const values = figures(report.ratios).filter((value) => value !== undefined);
    if (values.length > 0)
      rows.push(
        `| ${text} | ${values.join(" / ")}${report.quick ? " (quick run)" : ""} | [${bench}](docs/results/${bench}.md) |`,
      );
  }
  return ["| SmolLM2-135M on two cores | measured | table |", "|---|---|---|", ...rows].join("\n");
}

/** The README's text with its table of figures renewed. */
export async function withFigures(readme: string, results: string): Promise<string> {
  const [from, to] = [readme.indexOf(start), readme.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`The README has no place for figures between ${start} and ${end}.`);
  return `${readme.slice(0, from + start.length)}\n\n${await readmeFigures(results)}\n\n${readme.slice(to)}`;
}

export async function renewReadme(root: string): Promise<void> {
  const path = join(root, "README.md");
  const readme = await readFile(path, "utf8");
  const renewed = await withFigures(readme, join(root, "docs", "results"));
  if (renewed !== readme) await writeFile(path, renewed);
}
