import { isIP } from "node:net";
import { QuireError, throwIfAborted } from "../errors.js";
import { KeyRing } from "./access/key-ring.js";
import { type CreateServiceOptions, createService } from "./create-service.js";
import type { EngineClient, EngineSettings, EngineState, OpenEngineOptions } from "./engine/client.js";
import { type EchoEngine, echoEngine } from "./engine/echo-engine.js";
import { type ModelText, openModelText } from "./engine/model-text.js";
import { openSupervisedEngine } from "./engine-process/supervised-engine.js";
import { type Listening, listen } from "./listen.js";
import type { Service } from "./service.js";

/** A whole server: engine in its process, corpora, and a port. */

export interface ServerOptions
  extends Omit<CreateServiceOptions, "engine" | "text" | "keys" | "hosts">,
    OpenEngineOptions {
  readonly engine: EngineSettings;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 8000; 0 = any that is free. */
  readonly port?: number;
  /** File of API keys. */
  readonly keysFile?: string;
  /** No model: answers are what was asked. For measuring the server itself. */
  readonly echo?: boolean;
  onState?(state: EngineState, reason?: string): void;
}

export interface RunningServer {
  readonly url: string;
  readonly service: Service;
  /** Waits so long for what runs, then ends everything. */
  stop(drainMs?: number): Promise<void>;
}

export const defaultPort = 8000;
const usualDrainMs = 30_000;

export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host = "127.0.0.1", port = defaultPort, keysFile, signal } = options;
  const keys = keysFile === undefined ? undefined : openKeys(keysFile);
  const local = isLoopback(host);
  if (!local && keys === undefined) throw needsKeys(host);
  const { engine, text } = await openEngine(options);
  let service: Service | undefined;
  let listening: Listening;
  try {
    throwIfAborted(signal);
    const { engine: _, ...rest } = options;
    service = await createService({
      ...rest,
      engine,
      text,
      keys,
      hosts: keys === undefined ? [...localNames, host] : undefined,
    });
    listening = await listen(service, { host, port });
  } catch (error) {
    await service?.jobs?.close();
    await service?.library.close();
    await engine.close();
    text.tokenizer.close();
    throw error;
  }
  const opened = service;
  return {
    url: listening.url,
    service: opened,
    async stop(drainMs = usualDrainMs) {
      await listening.drain(drainMs);
      await opened.tracer?.flush();
      opened.usage?.close();
      await opened.jobs?.close();
      await opened.library.close();
      await engine.close();
      text.tokenizer.close();
    },
  };
}

async function openEngine(options: ServerOptions): Promise<{ engine: EngineClient; text: ModelText }> {
  if (options.echo === true) {
    const echo: EchoEngine = echoEngine();
    return { engine: echo, text: echo.text };
  }
  const { signal, onProgress, onNotice, onState } = options;
  const engine = await openSupervisedEngine(options.engine, { signal, onProgress, onNotice });
  if (onState !== undefined) engine.onState(onState);
  try {
    return { engine, text: await openModelText(engine.info.path) };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** Names a browser on this machine may call a server by that only this machine reaches. */
const localNames = ["localhost", "127.0.0.1", "::1"];

function isLoopback(host: string): boolean {
  if (host === "localhost" || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}

function openKeys(path: string): KeyRing {
  const keys = new KeyRing(path);
  if (keys.size > 0) return keys;
  throw new QuireError("bad-option", `${path} holds no keys, so nobody could call the server.`, {
    got: path,
    fix: `Make one: quire keys add NAME --keys ${path}`,
  });
}

function needsKeys(host: string): QuireError {
  return new QuireError("bad-option", `On ${host} others can reach the server, and it has no keys.`, {
    got: host,
    expected: "--keys FILE, or --host 127.0.0.1",
    fix: "Make a key and give its file: quire keys add me --keys keys.json, then quire serve --host HOST --keys keys.json",
  });
}
