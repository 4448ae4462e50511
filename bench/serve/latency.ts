/** What a run of requests looked like to those who waited. Names and definitions as in serving systems: TTFT from arrival to the first
 *  token, queueing included; TBT between two tokens of a request, pooled over requests. */

export interface RequestRecord {
  readonly kind: string;
  readonly arrivedMs: number;
  /** Times of its tokens. */
  readonly tokensMs: readonly number[];
  readonly promptTokens: number;
}

export interface Latencies {
  readonly ttft: readonly number[];
  readonly tbt: readonly number[];
}

export function latencies(records: readonly RequestRecord[]): Latencies {
  return {
    ttft: records.map(({ arrivedMs, tokensMs }) => (tokensMs[0] ?? Number.NaN) - arrivedMs),
    tbt: records.flatMap(({ tokensMs }) => tokensMs.slice(1).map((time, i) => time - (tokensMs[i] as number))),
  };
}

/** Nearest rank: the smallest value that at least this share of all does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export interface Throughput {
  readonly seconds: number;
  readonly outputPerSecond: number;
  readonly totalPerSecond: number;
}

/** Over the span from the first arrival to the last token. */
export function throughput(records: readonly RequestRecord[]): Throughput {
  const start = Math.min(...records.map(({ arrivedMs }) => arrivedMs));
  const end = Math.max(...records.map(({ tokensMs }) => tokensMs.at(-1) ?? 0));
  const seconds = (end - start) / 1000;
  const output = records.reduce((sum, { tokensMs }) => sum + tokensMs.length, 0);
  const prompt = records.reduce((sum, { promptTokens }) => sum + promptTokens, 0);
  return { seconds, outputPerSecond: output / seconds, totalPerSecond: (output + prompt) / seconds };
}
