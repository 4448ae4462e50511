import { type PassCosts, withRows } from "../../src/engine/schedule/pass-costs.js";
import type { Column } from "../lib/report.js";

/** Columns that the serving benches share, and the latency that a machine can promise. */

export const columns: Readonly<Record<string, Column>> = {
  p50Tbt: { title: "TBT of chats, median", unit: "ms", digits: 1, better: "lower" },
  p99Tbt: { title: "TBT of chats, p99", unit: "ms", digits: 1, better: "lower" },
  maxTbt: { title: "TBT of chats, longest", unit: "ms", digits: 0, better: "lower" },
  chatTtft: { title: "TTFT of chats, median", unit: "ms", digits: 0, better: "lower" },
  maxTtft: { title: "TTFT of chats, longest", unit: "ms", digits: 0, better: "lower" },
  documentTtft: { title: "TTFT of documents, median", unit: "ms", digits: 0, better: "lower" },
  totalPerSecond: { title: "prompt and output", unit: "tokens/s", digits: 1, better: "higher" },
  outputPerSecond: { title: "output", unit: "tokens/s", digits: 1, better: "higher" },
  capacity: { title: "capacity", unit: "requests/s", digits: 3, better: "higher" },
};

/** The smallest of 50, 100, 200, ... ms in which 4 decodes and 8 rows at the end of a document fit. */
export function targetFor(costs: PassCosts, documentTokens: number): number {
  const needed = costs.predict(withRows({ rows: 4, keys: 4 * 200, tiledKeys: 0 }, 8, documentTokens));
  let target = 50;
  while (0.9 * target < needed) target *= 2;
  return target;
}
