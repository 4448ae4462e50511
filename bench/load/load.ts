import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { QuireError } from "../../src/errors.js";
import { resolveModel } from "../../src/weights/resolve-model.js";
import { modelText } from "../decode/model-text.js";
import { alternate } from "../lib/alternate.js";
import { builtIndex } from "../lib/built-package.js";
import type { Bench, BenchOptions, Findings, Row } from "../lib/report.js";
import { importPath, rivalVersion } from "../lib/rival.js";
import { median, pairedRatio, spread } from "../lib/statistics.js";

/** How long it takes until a model can answer, and how much memory a process holds after an answer of 128 tokens; every
 *  measurement is a fresh process, the file in the operating system's cache. */

export const load: Bench = { title: "Loading and memory", run };

interface Loaded {
  readonly importMs: number;
  readonly openMs: number;
  readonly firstMs: number;
  readonly tokens: number;
  readonly rssBytes: number;
  readonly peakBytes: number;
  readonly cacheBytes?: number;
  readonly contextTokens?: number;
}

const execute = promisify(execFile);
const answerTokens = 128;
const allowanceBytes = 250e6;

async function run(options: BenchOptions): Promise<Findings> {
  const { quick, progress } = options;
  const names =
    options.model !== undefined ? [options.model] : ["smollm2-135m-instruct", ...(quick ? [] : ["gemma-3-270m"])];
  const threads = options.threads ?? 2;
  const version = rivalVersion("node-llama-cpp");
  progress("building the package");
  const index = await builtIndex();
  const rows: Row[] = [];
  const notes: string[] = [];
  const ratios: Record<string, number> = {};
  for (const name of names) {
    const { path, files } = await resolveModel(name);
    const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
    const fileBytes = sizes.reduce((sum, size) => sum + size, 0);
    const results = await alternate({
      contenders: [
        child("quire", "./load-quire.mjs", [index, path, String(threads), String(answerTokens)]),
        child("node-llama-cpp", "./load-node-llama-cpp.mjs", [
          importPath("node-llama-cpp"),
          path,
          String(threads),
          String(answerTokens),
        ]),
      ],
      task: undefined,
      rounds: quick ? 3 : 9,
      onRound: (done, total) => progress(`${name}: ${done} of ${total}`),
    });
    for (const [contender, runs] of results) {
      const of = (value: (run: Loaded) => number) => spread(runs.map(value));
      const measures = {
        importMs: of((one) => one.importMs),
        openMs: of((one) => one.openMs),
        firstMs: of((one) => one.firstMs),
        rss: of((one) => one.rssBytes / 1e6),
        peak: of((one) => one.peakBytes / 1e6),
      };
      rows.push({ setting: `${name}, ${threads} threads`, contender, measures });
    }
    const ours = results.get("quire") ?? [];
    const theirs = results.get("node-llama-cpp") ?? [];
    const text = await modelText(path);
    text.tokenizer.close();
    const cacheBytes = ours[0]?.cacheBytes ?? 0;
    const over = median(ours.map((one) => one.peakBytes)) - (fileBytes + cacheBytes + allowanceBytes);
    const suffix = name === names[0] ? "" : `:${name}`;
    ratios[`loadVsNodeLlamaCpp${suffix}`] = pairedRatio(ours.map(ready), theirs.map(ready));
    ratios[`rssOverBound${suffix}`] = Math.round(over);
    ratios[`rssVsNodeLlamaCpp${suffix}`] = pairedRatio(
      ours.map((one) => one.rssBytes),
      theirs.map((one) => one.rssBytes),
    );
    notes.push(
      `${name}: file ${mb(fileBytes)}, Quire's key/value cache ${mb(cacheBytes)} (it grows with the text), bound ${mb(fileBytes + cacheBytes + allowanceBytes)}; node-llama-cpp reserves its cache for ${theirs[0]?.contextTokens} tokens, ${mb(text.cacheBytesPerToken * (theirs[0]?.contextTokens ?? 0))}.`,
    );
  }
  return {
    title: load.title,
    summary: `Fresh processes, in turns A B B A, medians with quartiles. “Ready” is import and open together; memory is measured after an answer of ${answerTokens} tokens. \`rssOverBound\` is in bytes: resident memory at its peak less file, key/value cache and 250 MB, so below 0 is within the bound.`,
    columns: {
      importMs: { title: "import", unit: "ms", digits: 0, better: "lower" },
      openMs: { title: "open", unit: "ms", digits: 0, better: "lower" },
      firstMs: { title: "first token after start", unit: "ms", digits: 0, better: "lower" },
      rss: { title: "resident memory", unit: "MB", digits: 0, better: "lower" },
      peak: { title: "at its peak", unit: "MB", digits: 0, better: "lower" },
    },
    rows,
    ratios,
    targets: Object.fromEntries(
      Object.keys(ratios).flatMap((key) =>
        key.startsWith("loadVs") ? [[key, { atMost: 1.5 }]] : key.startsWith("rssOver") ? [[key, { atMost: 0 }]] : [],
      ),
    ),
    checks: [],
    charts: [
      { measure: "firstMs", title: "From start to the first token" },
      { measure: "rss", title: "Resident memory after an answer" },
    ],
    versions: { "node-llama-cpp": version },
    notes,
  };
}

function ready({ importMs, openMs }: Loaded): number {
  return importMs + openMs;
}

function child(name: string, file: string, args: readonly string[]) {
  return {
    name,
    run: async (): Promise<Loaded> => {
      const { stdout } = await execute(process.execPath, [fileURLToPath(new URL(file, import.meta.url)), ...args]);
      const result = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Loaded;
      if (result.tokens !== answerTokens)
        throw new QuireError("native", `${name} gave ${result.tokens} tokens.`, { expected: answerTokens });
      return result;
    },
  };
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
