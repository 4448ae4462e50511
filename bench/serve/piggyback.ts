import type { EngineRun, OpenedEngine } from "./engine-runner.js";
import { percentile } from "./latency.js";
import { cutter } from "./workload.js";

/** What decodes cost alone, and what they add to a pass that carries a slice anyway: the saving of riding along. */

export interface Piggyback {
  readonly decodeOnlyMs: number;
  readonly sliceOnlyMs: number;
  readonly mixedMs: number;
}

export async function piggyback(
  engine: OpenedEngine,
  { decodes, slice, seed, rounds }: { decodes: number; slice: number; seed: number; rounds: number },
): Promise<Piggyback> {
  const text = cutter(engine.tokenizer, decodes * 16 + 2 * slice * (rounds + 2), seed);
  const chats = Array.from({ length: decodes }, (_, i) => ({
    ...{ kind: "chat", atMs: 0, prompt: text(16), outputTokens: 3 * rounds + 8, user: `${i}` },
  }));
  const document = { kind: "document", atMs: 0, prompt: text(slice * rounds), outputTokens: 1 };
  const run = (requests: (typeof document)[], budget: number) =>
    engine.run(requests, { schedule: `sarathi:budget=${budget}`, maxSequences: decodes + 1, prefixSharing: false });
  const alone = await run([document], slice);
  // The document comes when the chats are decoding.
  const mixed = await run([...chats, { ...document, atMs: 1 }], slice + decodes);
  const medianOf = ({ passes }: EngineRun, wanted: (decodeRows: number, sliceRows: number) => boolean) =>
    percentile(
      passes
        .filter(({ decodeRows, slices }) =>
          wanted(
            decodeRows,
            slices.reduce((sum, { rows }) => sum + rows, 0),
          ),
        )
        .map(({ ms }) => ms),
      0.5,
    );
  return {
    decodeOnlyMs: medianOf(mixed, (rows, sliced) => rows === decodes && sliced === 0),
    sliceOnlyMs: medianOf(alone, (rows, sliced) => rows === 0 && sliced === slice),
    mixedMs: medianOf(mixed, (rows, sliced) => rows === decodes && sliced === slice),
  };
}
