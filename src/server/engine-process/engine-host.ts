import { QuireError } from "../../errors.js";
import type { EngineClient, EngineJob, EngineSettings, InspectRequest, OpenEngineOptions } from "../engine/client.js";
import { type FromEngine, packError, type ToEngine } from "./protocol.js";

/** The engine's end of the protocol: opens an engine, does what messages ask for, and answers. Knows nothing of processes, so it is
 *  tested over two functions. */

export interface HostOptions {
  open(settings: EngineSettings, options: OpenEngineOptions): Promise<EngineClient>;
  send(message: FromEngine): void;
  /** Everything is closed, or could not be opened. */
  onEnd(): void;
}

export function engineHost({ open, send, onEnd }: HostOptions): (message: ToEngine) => void {
  const calls = new Map<number, AbortController>();
  const pieces: Extract<FromEngine, { type: "pieces" }>["pieces"][number][] = [];
  let engine: EngineClient | undefined;
  let stopWatching: (() => void) | undefined;
  let flushing = false;

  const flush = (): void => {
    flushing = false;
    if (pieces.length > 0) send({ type: "pieces", pieces: pieces.splice(0) });
  };

  async function start(settings: EngineSettings): Promise<void> {
    try {
      engine = await open(settings, {
        onProgress: (progress) => send({ type: "progress", progress }),
        onNotice: (notice) => send({ type: "notice", notice }),
      });
      send({ type: "ready", info: engine.info });
    } catch (error) {
      send({ type: "unable", error: packError(error) });
      onEnd();
    }
  }

  async function generate(call: number, job: EngineJob, signal: AbortSignal): Promise<FromEngine> {
    const stream = ready().generate(job, signal);
    for (;;) {
      const next = await stream.next();
      if (next.done === true) return { type: "generated", call, result: next.value };
      pieces.push({ call, piece: next.value });
      if (flushing) continue;
      flushing = true;
      setImmediate(flush);
    }
  }

  async function embed(call: number, texts: readonly string[], signal: AbortSignal): Promise<FromEngine> {
    return { type: "embedded", call, vectors: await ready().embed(texts, signal) };
  }

  async function inspect(call: number, request: InspectRequest, signal: AbortSignal): Promise<FromEngine> {
    return { type: "inspected", call, inspection: await ready().inspect(request, signal) };
  }

  function ready(): EngineClient {
    if (engine === undefined) throw new QuireError("native", "The engine is not ready.");
    return engine;
  }

  async function answer(call: number, work: (signal: AbortSignal) => Promise<FromEngine>): Promise<void> {
    const controller = new AbortController();
    calls.set(call, controller);
    let last: FromEngine;
    try {
      last = await work(controller.signal);
    } catch (error) {
      last = { type: "failed", call, error: packError(error) };
    }
    calls.delete(call);
    // Pieces always arrive before the end they belong to.
    flush();
    send(last);
  }

  async function close(): Promise<void> {
    for (const controller of calls.values()) controller.abort();
    await engine?.close();
    onEnd();
  }

  return (message) => {
    switch (message.type) {
      case "open":
        void start(message.settings);
        break;
      case "generate":
        void answer(message.call, (signal) => generate(message.call, message.job, signal));
        break;
      case "embed":
        void answer(message.call, (signal) => embed(message.call, message.texts, signal));
        break;
      case "inspect":
        void answer(message.call, (signal) => inspect(message.call, message.request, signal));
        break;
      case "cancel":
        calls.get(message.call)?.abort();
        break;
      case "watch":
        stopWatching?.();
        stopWatching = message.on ? engine?.onPass((pass) => send({ type: "pass", pass })) : undefined;
        break;
      case "close":
        void close();
        break;
    }
  };
}
