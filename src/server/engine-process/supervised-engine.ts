import { QuireError, throwIfAborted } from "../../errors.js";
import type {
  EngineClient,
  EngineInfo,
  EnginePass,
  EngineSettings,
  EngineState,
  OpenEngineOptions,
} from "../engine/client.js";
import { EngineGone } from "../engine/engine-gone.js";
import { Listeners } from "../engine/listeners.js";
import { Calls } from "./calls.js";
import { type EngineLink, type Launch, launchEngineProcess } from "./launch.js";
import { type FromEngine, unpackError } from "./protocol.js";

/** An engine in a process of its own, started again whenever it dies. Native code that crashes takes down the requests that were in
 *  it, each with a typed error, and nothing else. */

export interface SupervisedEngine extends EngineClient {
  /** Of the process that runs now. */
  readonly pid: number | undefined;
}

export interface SuperviseOptions extends OpenEngineOptions {
  readonly launch?: Launch;
  /** Waits before a start: none after a first death, then doubling from here; default 500 and 10,000 ms. */
  readonly firstDelayMs?: number;
  readonly longestDelayMs?: number;
}

/** An engine that lived as long as this is started again at once. */
const healthyMs = 30_000;
const closeWithinMs = 5000;
/** After so many deaths in a row the state is called down; it is still tried on. */
const deathsUntilDown = 3;

/** Resolves when the model is open; rejects, with no process left, when it cannot be opened. */
export async function openSupervisedEngine(
  settings: EngineSettings,
  options: SuperviseOptions = {},
): Promise<SupervisedEngine> {
  throwIfAborted(options.signal);
  const supervisor = new Supervisor(settings, options);
  try {
    await supervisor.whenReady(options.signal);
    return supervisor;
  } catch (error) {
    await supervisor.close();
    throw error;
  }
}

class Supervisor implements SupervisedEngine {
  state: EngineState = "starting";
  restarts = 0;
  readonly #settings: EngineSettings;
  readonly #options: SuperviseOptions;
  readonly #calls = new Calls();
  readonly #passes = new Listeners<[EnginePass]>();
  readonly #states = new Listeners<[EngineState, string | undefined]>();
  #info: EngineInfo | undefined;
  #link: EngineLink | undefined;
  #timer: NodeJS.Timeout | undefined;
  #readyAt = 0;
  #deathsInARow = 0;
  #closed = false;
  /** Why it never could be opened. */
  #unable: Error | undefined;
  #onExit: (() => void) | undefined;

  constructor(settings: EngineSettings, options: SuperviseOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#start();
  }

  get pid(): number | undefined {
    return this.#link?.pid;
  }

  get info(): EngineInfo {
    if (this.#info === undefined) throw notRunning("The engine has not started yet.");
    return this.#info;
  }

  async *generate(...[job, signal]: Parameters<EngineClient["generate"]>): ReturnType<EngineClient["generate"]> {
    throwIfAborted(signal);
    return yield* this.#calls.generate(this.#running(), job, signal);
  }

  async embed(texts: readonly string[], signal?: AbortSignal) {
    throwIfAborted(signal);
    return this.#calls.embed(this.#running(), texts, signal);
  }

  async inspect(...[request, signal]: Parameters<EngineClient["inspect"]>) {
    throwIfAborted(signal);
    return this.#calls.inspect(this.#running(), request, signal);
  }

  whenReady(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): boolean => {
        if (this.#closed) reject(notRunning("The engine was closed."));
        else if (this.#unable !== undefined) reject(this.#unable);
        else if (this.state === "ready") resolve();
        else return false;
        return true;
      };
      if (settle()) return;
      const stop = (): void => {
        remove();
        reject(new QuireError("cancelled", "Stopped on request.", { cause: signal?.reason }));
      };
      const forget = this.#states.add(() => {
        if (settle()) remove();
      });
      const remove = (): void => {
        forget();
        signal?.removeEventListener("abort", stop);
      };
      if (signal?.aborted === true) stop();
      else signal?.addEventListener("abort", stop, { once: true });
    });
  }

  onPass(listener: (pass: EnginePass) => void): () => void {
    const remove = this.#passes.add(listener);
    if (this.#passes.size === 1) this.#link?.send({ type: "watch", on: true });
    return () => {
      remove();
      if (this.#passes.size === 0) this.#link?.send({ type: "watch", on: false });
    };
  }

  onState(listener: (state: EngineState, reason?: string) => void): () => void {
    return this.#states.add(listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    const link = this.#link;
    if (link !== undefined) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => link.kill(), closeWithinMs);
        this.#onExit = () => {
          clearTimeout(timer);
          resolve();
        };
        link.send({ type: "close" });
      });
    }
    this.#become("down");
  }

  #running(): EngineLink {
    if (this.state === "ready" && this.#link !== undefined && !this.#closed) return this.#link;
    throw notRunning("The engine is being started again.");
  }

  #start(): void {
    const launch = this.#options.launch ?? launchEngineProcess;
    this.#link = launch({ onMessage: (message) => this.#receive(message), onExit: (reason) => this.#died(reason) });
    this.#link.send({ type: "open", settings: this.#settings });
  }

  #receive(message: FromEngine): void {
    if (message.type === "progress") this.#options.onProgress?.(message.progress);
    else if (message.type === "notice") this.#options.onNotice?.(message.notice);
    else if (message.type === "pass") this.#passes.tell(message.pass);
    else if (message.type === "ready") {
      this.#info = message.info;
      this.#readyAt = Date.now();
      if (this.#passes.size > 0) this.#link?.send({ type: "watch", on: true });
      this.#become("ready");
    } else if (message.type === "unable") {
      // At the first start this is the user's affair. Later the file may be back in a moment, so it is tried on.
      if (this.#info === undefined) this.#unable = unpackError(message.error);
    } else this.#calls.receive(message);
  }

  #died(reason: string): void {
    this.#link = undefined;
    this.#calls.failAll(notRunning("The engine stopped in the middle of this request.", reason));
    this.#onExit?.();
    if (this.#closed) return;
    if (this.#info === undefined) {
      this.#unable ??= notRunning("The engine process ended before the model was open.", reason);
      this.#become("down", reason);
      return;
    }
    const livedLong = Date.now() - this.#readyAt > healthyMs;
    this.#deathsInARow = livedLong ? 1 : this.#deathsInARow + 1;
    this.restarts++;
    this.#become(this.#deathsInARow > deathsUntilDown ? "down" : "starting", reason);
    this.#timer = setTimeout(() => this.#start(), this.#delay());
  }

  #delay(): number {
    const { firstDelayMs = 500, longestDelayMs = 10_000 } = this.#options;
    return this.#deathsInARow <= 1 ? 0 : Math.min(longestDelayMs, firstDelayMs * 2 ** (this.#deathsInARow - 2));
  }

  #become(state: EngineState, reason?: string): void {
    this.state = state;
    this.#states.tell(state, reason);
  }
}

function notRunning(message: string, reason?: string): EngineGone {
  return new EngineGone(message, reason);
}
