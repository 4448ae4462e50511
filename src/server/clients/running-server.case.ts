import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import { createService } from "../create-service.js";
import { type EchoEngine, type EchoOptions, echoEngine } from "../engine/echo-engine.js";
import { listen } from "../listen.js";
import type { Service } from "../service.js";

/** The server on a real port, without a model, for clients as people use them. */

export interface RunningEcho {
  readonly url: string;
  readonly service: Service;
  readonly engine: EchoEngine;
}

export async function runningServer(echo: EchoOptions = {}): Promise<RunningEcho> {
  const dataFolder = await mkdtemp(path.join(tmpdir(), "quire-clients-"));
  const engine = echoEngine(echo);
  const service = await createService({ engine, text: engine.text, version: "0.0.0", dataFolder });
  const listening = await listen(service, { host: "127.0.0.1", port: 0 });
  onTestFinished(async () => {
    await listening.drain(0);
    await service.library.close();
    await rm(dataFolder, { recursive: true, force: true });
  });
  return { url: listening.url, service, engine };
}

/** Says what it is told to: a call of the tool where one stands open, plain words otherwise. */
export function weatherCaller(): (prompt: string) => string {
  let called = false;
  return (prompt) => {
    if (prompt.endsWith("<tool_call>\n")) {
      called = true;
      return '{"name": "weather", "arguments": {"city": "Oslo"}}';
    }
    if (prompt.includes("<tool_response>")) return "It is sunny in Oslo.";
    return called ? "\n" : "<tool_call>\n";
  };
}
