import type { ServerResponse } from "node:http";

/** Writing server-sent events, and waiting between them unless the reader has gone. */

export function beginStream(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
  response.flushHeaders();
}

export function sendEvent(response: ServerResponse, event: string | undefined, data: unknown): void {
  const body = typeof data === "string" ? data : JSON.stringify(data);
  response.write(`${event === undefined ? "" : `event: ${event}\n`}data: ${body}\n\n`);
}

export const gone = (response: ServerResponse): boolean => response.destroyed || response.writableEnded;

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
