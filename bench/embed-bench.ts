import { run as measure } from "./embed/embed.js";
import type { Bench, BenchOptions, Findings } from "./lib/report.js";
import { rivalVersion } from "./lib/rival.js";
import { single } from "./lib/statistics.js";

/** The embedding bench among the others: its rows and ratios in their form. */

export const embed: Bench = { title: "Embedding texts", run };

const kinds = { mixed: "texts of 8 to 180 words", sorted: "the same, sorted by length", equal: "texts of 62 words" };

async function run({ quick, threads, model, progress }: BenchOptions): Promise<Findings> {
  const version = rivalVersion("@huggingface/transformers");
  progress("measuring");
  const { rows, ratios } = await measure({ quick, threads, model });
  return {
    title: embed.title,
    summary:
      "Sentence embeddings of all-MiniLM-L6-v2 with the same weights, in one process, engines in turn; medians. The distance is the largest cosine distance of any text's vector from Quire's with the weights as stored.",
    columns: {
      texts: { title: "texts", unit: "per s", digits: 1, better: "higher" },
      tokens: { title: "tokens", unit: "per s", digits: 0, better: "higher" },
      distance: { title: "largest distance", unit: "1e-6", digits: 2, better: "lower" },
    },
    rows: rows.map((row) => ({
      setting: `${kinds[row.texts]}, ${row.threads} thread${row.threads === 1 ? "" : "s"}`,
      contender: row.engine,
      measures: {
        texts: single(row.textsPerSecond),
        tokens: single(row.tokensPerSecond),
        distance: single(row.largestDistance * 1e6),
      },
    })),
    ratios,
    targets: Object.fromEntries(
      Object.keys(ratios).flatMap((key) => (key.includes("Bf16") ? [] : [[key, { atLeast: 1 }]])),
    ),
    checks: [],
    charts: [{ measure: "texts", title: "Embedding throughput" }],
    versions: { "@huggingface/transformers": version },
    notes: ['"quire bf16" rounds the weights and is compared by speed only as a further choice, not as the figure.'],
  };
}
