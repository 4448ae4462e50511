import type { Clock } from "./clock.js";
import type { RequestRecord } from "./latency.js";

/** Sends requests at their times to whatever answers them, and notes when each token comes. */

export interface TimedRequest {
  readonly kind: string;
  readonly atMs: number;
  readonly prompt: Int32Array;
  readonly outputTokens: number;
  readonly user?: string;
}

/** Starts a request; gives its tokens as they come. */
export type Submit<Request> = (request: Request) => AsyncIterable<number>;

export interface DrivenRecord extends RequestRecord {
  readonly tokens: readonly number[];
}

export async function drive<Request extends TimedRequest>(
  requests: readonly Request[],
  submit: Submit<Request>,
  clock: Clock,
): Promise<DrivenRecord[]> {
  const start = clock.now();
  return Promise.all(
    requests.map(async (request) => {
      const { kind, atMs, prompt } = request;
      await clock.until(start + atMs);
      const tokens: number[] = [];
      const tokensMs: number[] = [];
      for await (const token of submit(request)) {
        tokens.push(token);
        tokensMs.push(clock.now() - start);
      }
      // Who notices an arrival late has waited meanwhile: the request was due at its time.
      return { kind, arrivedMs: atMs, promptTokens: prompt.length, tokens, tokensMs };
    }),
  );
}
