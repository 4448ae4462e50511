/** Answers as server-sent events. A client that goes away stops the work; one that reads slowly makes the work wait; one that waits
 *  long for a first word gets comments, so that nothing in between thinks the connection is dead. */

export interface EventWriter {
  /** Resolves when there is room for more. */
  data(text: string, event?: string): Promise<void>;
  json(value: unknown, event?: string): Promise<void>;
}

export interface EventStreamOptions {
  /** Between comments while nothing else is sent; default 15 s. */
  readonly pingMs?: number;
  /** How an error inside the stream is told; after it the stream ends. */
  onError(error: unknown, events: EventWriter): Promise<void>;
}

const roomForEvents = 256;

export function eventStream(
  work: (events: EventWriter, signal: AbortSignal) => Promise<void>,
  { pingMs = 15_000, onError }: EventStreamOptions,
): Response {
  const encoder = new TextEncoder();
  const gone = new AbortController();
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let wake: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;

  const send = (text: string): void => {
    if (!gone.signal.aborted) controller.enqueue(encoder.encode(text));
    clearTimeout(timer);
    timer = setTimeout(() => send(": wait\n\n"), pingMs);
    timer.unref();
  };
  const room = async (): Promise<void> => {
    while (!gone.signal.aborted && (controller.desiredSize ?? 0) <= 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const events: EventWriter = {
    data: (text, event) => {
      send(event === undefined ? `data: ${text}\n\n` : `event: ${event}\ndata: ${text}\n\n`);
      return room();
    },
    json: (value, event) => events.data(JSON.stringify(value), event),
  };

  async function run(): Promise<void> {
    try {
      await work(events, gone.signal);
    } catch (error) {
      if (!gone.signal.aborted) await onError(error, events);
    } finally {
      clearTimeout(timer);
      if (!gone.signal.aborted) controller.close();
    }
  }

  const body = new ReadableStream<Uint8Array>(
    {
      start(made) {
        controller = made;
        // Headers and a first byte go out at once.
        send(": open\n\n");
        void run();
      },
      pull() {
        wake?.();
      },
      cancel() {
        clearTimeout(timer);
        gone.abort();
        wake?.();
      },
    },
    { highWaterMark: roomForEvents },
  );
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
      "transfer-encoding": "chunked",
    },
  });
}
