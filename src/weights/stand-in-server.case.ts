import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A small HTTP server on this machine that answers as a test says, and remembers what it was asked. */

export interface Asked {
  path: string;
  range: string | undefined;
  ifRange: string | undefined;
  authorization: string | undefined;
}

export interface StandIn {
  readonly url: string;
  readonly asked: Asked[];
  answer(handler: (request: IncomingMessage, response: ServerResponse, turn: number) => void): void;
  close(): Promise<void>;
}

export async function standIn(): Promise<StandIn> {
  const asked: Asked[] = [];
  let handler: (request: IncomingMessage, response: ServerResponse, turn: number) => void = (_, response) =>
    void response.writeHead(404).end();
  const server = createServer((request, response) => {
    const { range, authorization } = request.headers;
    asked.push({
      path: request.url ?? "",
      range,
      ifRange: request.headers["if-range"] as string | undefined,
      authorization,
    });
    handler(request, response, asked.length);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    answer(next) {
      asked.length = 0;
      handler = next;
    },
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Sends content as a good server does, ranges and If-Range included. */
export function serve(content: Uint8Array, etag = '"v1"', extra: Record<string, string> = {}) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const match = /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
    const ifRange = request.headers["if-range"];
    const headers = { etag, "accept-ranges": "bytes", ...extra };
    if (!match || (ifRange !== undefined && ifRange !== etag)) {
      response.writeHead(200, { ...headers, "content-length": content.byteLength }).end(content);
      return;
    }
    const start = Number(match[1]);
    if (start >= content.byteLength) {
      response.writeHead(416, { "content-range": `bytes */${content.byteLength}` }).end();
      return;
    }
    const range = `bytes ${start}-${content.byteLength - 1}/${content.byteLength}`;
    response
      .writeHead(206, { ...headers, "content-length": content.byteLength - start, "content-range": range })
      .end(content.subarray(start));
  };
}

/** Promises all of the content, sends some of it, and hangs up. */
export function cutOff(content: Uint8Array, after: number, etag: string | undefined = '"v1"') {
  return (_: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200, { "content-length": content.byteLength, ...(etag === undefined ? {} : { etag }) });
    response.write(content.subarray(0, after), () => setTimeout(() => response.destroy(), 30));
  };
}
