import { readEvents } from "./event-stream.js";
import { ApiError, explain, request } from "./request.js";

/** An endless stream of events that is opened again after a pause when it breaks. */

export type FeedState = { readonly name: "connecting" | "live" } | { readonly name: "lost"; readonly why: string };

export interface FeedHandlers {
  event(name: string, data: unknown): void;
  state?(state: FeedState): void;
}

/** Gives the function that ends it. */
export function follow(path: string, { event, state }: FeedHandlers): () => void {
  const ending = new AbortController();
  void run(path, event, state ?? (() => undefined), ending.signal);
  return () => ending.abort();
}

const longestPause = 10_000;

async function run(
  path: string,
  event: FeedHandlers["event"],
  state: (state: FeedState) => void,
  signal: AbortSignal,
): Promise<void> {
  let pause = 500;
  while (!signal.aborted) {
    try {
      state({ name: "connecting" });
      const response = await request(path, { accept: "text/event-stream", signal });
      state({ name: "live" });
      if (response.body !== null) {
        for await (const { event: name, data } of readEvents(response.body)) {
          pause = 500;
          event(name, JSON.parse(data));
        }
      }
      if (signal.aborted) return;
      state({ name: "lost", why: "The stream ended." });
    } catch (error) {
      if (signal.aborted) return;
      state({ name: "lost", why: explain(error) });
      if (error instanceof ApiError && (error.status === 404 || error.status === 403)) return;
    }
    await waited(pause, signal);
    pause = Math.min(longestPause, pause * 2);
  }
}

function waited(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
