/** What contenders of the throughput bench are asked: go on with several prompts at once, greedily, by a number of tokens. */

export interface BatchLoad {
  readonly built: string;
  readonly modelPath: string;
  readonly threads: number;
  readonly contextTokens: number;
  /** Sequences at once at most. */
  readonly sequences: number;
}

export interface BatchTask {
  readonly prompts: readonly Int32Array[];
  readonly tokens: number;
}

export interface BatchResult {
  readonly tokens: readonly (readonly number[])[];
  /** Until the last token of the last sequence. */
  readonly seconds: number;
}

export async function timeBatch(
  { prompts, tokens }: BatchTask,
  start: (prompt: Int32Array, index: number) => AsyncIterable<number>,
): Promise<BatchResult> {
  const from = performance.now();
  const all = await Promise.all(
    prompts.map(async (prompt, index) => {
      const own: number[] = [];
      for await (const token of start(prompt, index)) {
        own.push(token);
        if (own.length === tokens) break;
      }
      return own;
    }),
  );
  return { tokens: all, seconds: (performance.now() - from) / 1000 };
}
