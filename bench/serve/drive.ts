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
): Promise<DrivenRecord[]> {
  const start = performance.now();
  return Promise.all(
    requests.map(async (request) => {
      const { kind, atMs, prompt } = request;
      const wait = start + atMs - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      const tokens: number[] = [];
      const tokensMs: number[] = [];
      for await (const token of submit(request)) {
        tokens.push(token);
        tokensMs.push(performance.now() - start);
      }
      // A timer that fires late is part of the wait: the request was due at its time.
      return { kind, arrivedMs: atMs, promptTokens: prompt.length, tokens, tokensMs };
    }),
  );
}
