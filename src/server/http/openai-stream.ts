import { asApiError } from "./api-error.js";
import { type EventWriter, eventStream } from "./event-stream.js";

/** Events as OpenAI's clients read them: nameless, an error as `{"error": …}`, and [DONE] at the end. */
export function openAiStream(work: (events: EventWriter, signal: AbortSignal) => Promise<void>): Response {
  return eventStream(
    async (events, signal) => {
      await work(events, signal);
      await events.data("[DONE]");
    },
    {
      onError: async (error, events) => {
        await events.json(asApiError(error));
        await events.data("[DONE]");
      },
    },
  );
}

/** Several sources at once, each value as soon as it is there. When the reader leaves, all sources are left. */
export async function* merged<Value>(
  sources: readonly AsyncGenerator<Value, void>[],
): AsyncGenerator<Value, void, undefined> {
  const next = (source: AsyncGenerator<Value, void>, index: number) =>
    source.next().then((result) => ({ index, result }));
  const pending = new Map(sources.map((source, index) => [index, next(source, index)]));
  try {
    while (pending.size > 0) {
      const { index, result } = await Promise.race(pending.values());
      if (result.done === true) pending.delete(index);
      else {
        pending.set(index, next(sources[index]!, index));
        yield result.value;
      }
    }
  } finally {
    for (const [index, waiting] of pending) {
      waiting.catch(() => {});
      void sources[index]!.return(undefined).catch(() => {});
    }
  }
}
