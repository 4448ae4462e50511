import { AsyncQueue } from "../../engine/async-queue.js";
import { QuireError } from "../../errors.js";
import type { CacheInspection } from "../../inspect/cache-inspection.js";
import type { EngineJob, EnginePiece, EngineResult, EngineVectors, InspectRequest } from "../engine/client.js";
import type { EngineLink } from "./launch.js";
import { type FromEngine, type ToEngine, unpackError } from "./protocol.js";

/** Calls that are with the engine process. Whatever happens to it, each of them ends: with its result, with the engine's error, or
 *  with the news that the engine is gone. */

interface Call {
  piece(piece: EnginePiece): void;
  done(result: unknown): void;
  failed(error: unknown): void;
}

export class Calls {
  readonly #calls = new Map<number, Call>();
  #next = 1;

  get size(): number {
    return this.#calls.size;
  }

  async *generate(link: EngineLink, job: EngineJob, signal?: AbortSignal): AsyncGenerator<EnginePiece, EngineResult> {
    const pieces = new AsyncQueue<EnginePiece>();
    let result: EngineResult | undefined;
    const call = this.#open({
      piece: (piece) => pieces.push(piece),
      done: (made) => {
        result = made as EngineResult;
        pieces.end();
      },
      failed: (error) => pieces.end(error),
    });
    const cancel = (): void => {
      link.send({ type: "cancel", call });
      this.#fail(call, stopped(signal));
    };
    link.send({ type: "generate", call, job });
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener("abort", cancel, { once: true });
    try {
      yield* pieces;
    } finally {
      signal?.removeEventListener("abort", cancel);
      // A reader that left early.
      if (this.#calls.delete(call)) link.send({ type: "cancel", call });
    }
    return result as EngineResult;
  }

  embed(link: EngineLink, texts: readonly string[], signal?: AbortSignal): Promise<EngineVectors> {
    return this.#ask(link, (call) => ({ type: "embed", call, texts }), signal) as Promise<EngineVectors>;
  }

  inspect(link: EngineLink, request: InspectRequest, signal?: AbortSignal): Promise<CacheInspection> {
    return this.#ask(link, (call) => ({ type: "inspect", call, request }), signal) as Promise<CacheInspection>;
  }

  #ask(link: EngineLink, message: (call: number) => ToEngine, signal?: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const settle = (): void => signal?.removeEventListener("abort", cancel);
      const call = this.#open({
        piece: () => {},
        done: (made) => {
          settle();
          resolve(made);
        },
        failed: (error) => {
          settle();
          reject(error);
        },
      });
      const cancel = (): void => {
        link.send({ type: "cancel", call });
        this.#fail(call, stopped(signal));
      };
      link.send(message(call));
      if (signal?.aborted === true) cancel();
      else signal?.addEventListener("abort", cancel, { once: true });
    });
  }

  receive(message: FromEngine): void {
    if (message.type === "pieces") {
      for (const { call, piece } of message.pieces) this.#calls.get(call)?.piece(piece);
    } else if (message.type === "generated") this.#take(message.call)?.done(message.result);
    else if (message.type === "embedded") this.#take(message.call)?.done(message.vectors);
    else if (message.type === "inspected") this.#take(message.call)?.done(message.inspection);
    else if (message.type === "failed") this.#fail(message.call, unpackError(message.error));
  }

  failAll(error: unknown): void {
    const all = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of all) call.failed(error);
  }

  #open(call: Call): number {
    const number = this.#next++;
    this.#calls.set(number, call);
    return number;
  }

  #take(number: number): Call | undefined {
    const call = this.#calls.get(number);
    this.#calls.delete(number);
    return call;
  }

  #fail(number: number, error: unknown): void {
    this.#take(number)?.failed(error);
  }
}

function stopped(signal: AbortSignal | undefined): QuireError {
  return new QuireError("cancelled", "Stopped on request.", { cause: signal?.reason });
}
