import { performance } from "node:perf_hooks";
import type { ChunkContext, Chunker } from "../../src/corpus/chunk/chunker.js";
import type { Chunk } from "../../src/corpus/document.js";
import { parseDocument } from "../../src/corpus/parse/parse.js";

/** One text cut by one chunker, and what that cost. */

export interface Cost {
  /** Of all threads: other programs on the machine disturb it less than the clock. */
  cpuSeconds: number;
  seconds: number;
}

export async function measured<Result>(cost: Cost, work: () => Promise<Result>): Promise<Result> {
  const before = process.cpuUsage();
  const started = performance.now();
  try {
    return await work();
  } finally {
    const { user, system } = process.cpuUsage(before);
    cost.cpuSeconds += (user + system) / 1e6;
    cost.seconds += (performance.now() - started) / 1000;
  }
}

export async function cutText(
  chunker: Chunker,
  uri: string,
  text: string,
  context: ChunkContext,
  cost: Cost,
): Promise<Chunk[]> {
  const document = await parseDocument({ uri, bytes: Buffer.from(text) });
  return measured(cost, async () => {
    const chunks: Chunk[] = [];
    for await (const chunk of chunker.chunk(document, context)) chunks.push(chunk);
    return chunks;
  });
}

/** The same chunker, with the time that it takes written down, whoever uses it. */
export function timed(chunker: Chunker, cost: Cost): Chunker {
  return {
    ...chunker,
    async *chunk(document, context) {
      const chunks = chunker.chunk(document, context)[Symbol.asyncIterator]();
      for (;;) {
        const next = await measured(cost, () => chunks.next());
        if (next.done === true) return;
        yield next.value;
      }
    },
  };
}

/** Where chunks begin, in UTF-16 units, the first left out. */
export function cutsOf(chunks: readonly Chunk[]): number[] {
  let at = 0;
  return chunks.slice(0, -1).map((chunk) => {
    at += chunk.text.length;
    return at;
  });
}
