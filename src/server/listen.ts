import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { QuireError } from "../errors.js";
import { createApp } from "./app.js";
import type { Service } from "./service.js";

/** Puts a service on a port, and takes it off again so that nobody's answer is cut: new work is refused, what runs may end, what takes
 *  too long is told so. */

export interface ListenOptions {
  readonly host: string;
  /** 0 = any that is free. */
  readonly port: number;
}

export interface Listening {
  readonly url: string;
  readonly port: number;
  /** Resolves when the last answer is out, or when `drainMs` have passed and the rest was cancelled. */
  drain(drainMs: number): Promise<void>;
}

const lookAgainMs = 50;
const looksUntilQuiet = 3;
/** For errors of what was cancelled to reach their readers. */
const lastWordsMs = 500;

export async function listen(service: Service, { host, port }: ListenOptions): Promise<Listening> {
  const app = createApp(service);
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server;
  server.keepAliveTimeout = 65_000;
  let answering = 0;
  server.on("request", (_, response) => {
    answering++;
    response.once("close", () => answering--);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => reject(cannotListen(host, port, cause)));
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const name = host.includes(":") ? `[${host}]` : host;

  return {
    url: `http://${name}:${address.port}`,
    port: address.port,
    async drain(drainMs) {
      service.draining = true;
      // An answer can be several generations, with moments between them in which none runs.
      let quiet = 0;
      await until(() => {
        quiet = service.runs.all.length === 0 ? quiet + 1 : 0;
        return quiet >= looksUntilQuiet;
      }, drainMs);
      service.runs.cancelAll();
      server.close();
      server.closeIdleConnections();
      await until(() => answering === 0, lastWordsMs);
      // Event streams have no end of their own.
      server.closeAllConnections();
    },
  };
}

async function until(done: () => boolean, mostMs: number): Promise<void> {
  const end = performance.now() + mostMs;
  while (!done() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
}

function cannotListen(host: string, port: number, cause: NodeJS.ErrnoException): QuireError {
  const taken = cause.code === "EADDRINUSE";
  const why = taken ? "the port is taken" : (cause.code ?? cause.message);
  return new QuireError("bad-option", `The server cannot listen on ${host}:${port}: ${why}.`, {
    got: `${host}:${port}`,
    fix: taken ? "Choose another with --port, or 0 for any that is free." : "Choose another host or port.",
    cause,
  });
}
