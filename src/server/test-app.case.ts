import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Hono } from "hono";
import { onTestFinished } from "vitest";
import { serverSentEvents } from "../programs/server-sent-events.js";
import { createApp } from "./app.js";
import { type CreateServiceOptions, createService } from "./create-service.js";
import { type EchoEngine, type EchoOptions, echoEngine } from "./engine/echo-engine.js";
import type { AppEnv, Service } from "./service.js";

/** The server without a model and without a port. */

export interface TestApp {
  readonly app: Hono<AppEnv>;
  readonly engine: EchoEngine;
  readonly service: Service;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
}

export async function testApp(echo: EchoOptions = {}, options: Partial<CreateServiceOptions> = {}): Promise<TestApp> {
  const engine = echoEngine(echo);
  const dataFolder = await mkdtemp(path.join(tmpdir(), "quire-server-"));
  const service = await createService({ engine, text: engine.text, version: "0.0.0", dataFolder, ...options });
  onTestFinished(async () => {
    await service.library.close();
    await rm(dataFolder, { recursive: true, force: true });
  });
  const app = createApp(service);
  return {
    app,
    engine,
    service,
    post: async (path, body, headers = {}) =>
      app.request(path, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
  };
}

export interface ReadEvent {
  readonly event: string;
  readonly data: string;
}

export async function readEvents(response: Response): Promise<ReadEvent[]> {
  const all: ReadEvent[] = [];
  for await (const event of serverSentEvents(response.body as unknown as AsyncIterable<Uint8Array>)) all.push(event);
  return all;
}

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely in tests
export type Json = any;

export async function json(response: Response): Promise<Json> {
  return response.json();
}
