import type { Engine } from "../../engine/engine.js";
import type { ObservedPass } from "../../engine/engine-observer.js";
import type { EngineJob, EnginePass, RequestState } from "./client.js";
import { Listeners } from "./listeners.js";

/** Tells of passes in the names that the server gave its requests. The engine numbers sequences itself; which is whose is seen by the
 *  signal each was started with. */

export class PassWatcher {
  readonly listeners = new Listeners<[EnginePass]>();
  readonly #engine: Engine;
  readonly #jobs = new WeakMap<AbortSignal, EngineJob>();
  /** By the engine's number, the newest last. */
  readonly #ids = new Map<number, string>();

  constructor(engine: Engine) {
    this.#engine = engine;
    const before = engine.observer;
    engine.observer = {
      ...before,
      onPass: (pass) => {
        before.onPass?.(pass);
        if (this.listeners.size > 0) this.listeners.tell(this.#named(pass));
      },
    };
  }

  expect(signal: AbortSignal, job: EngineJob): void {
    this.#jobs.set(signal, job);
  }

  #named({ slices, ...pass }: ObservedPass): EnginePass {
    const requests: RequestState[] = [];
    for (const { id, signal, stats, store } of [...this.#engine.running, ...this.#engine.waiting]) {
      const job = signal === undefined ? undefined : this.#jobs.get(signal);
      if (job === undefined) continue;
      this.#ids.set(id, job.id);
      if (store === undefined) continue;
      const { entries, sizeBytes } = store;
      requests.push({
        request: job.id,
        cachedTokens: stats.cachedTokens,
        cacheEntries: entries,
        cacheBytes: sizeBytes,
      });
    }
    for (const id of this.#ids.keys()) {
      if (this.#ids.size <= keptNames) break;
      this.#ids.delete(id);
    }
    const named = slices.map(({ request, ...rest }) => ({ request: this.#ids.get(request) ?? `#${request}`, ...rest }));
    return { ...pass, slices: named, requests };
  }
}

/** A sequence may be over before its last pass is told of. */
const keptNames = 1000;
