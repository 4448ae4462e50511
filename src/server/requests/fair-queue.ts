import { QuireError } from "../../errors.js";
import { ApiError } from "../http/api-error.js";

/** Who gets to the engine next. Each user has a line of his own and the lines take turns, so that one who sends a hundred requests
 *  does not make the others wait for all of them. The lines together are bounded. */

export interface FairQueueOptions {
  /** Requests in the engine at a time. */
  readonly running: number;
  /** Requests that wait. */
  readonly waiting: number;
}

export interface Ticket {
  /** Resolves when it is this request's turn; rejects when it was stopped before. */
  readonly turn: Promise<void>;
  /** Must be called once the request is over, whatever became of it. */
  leave(): void;
}

interface Waiting {
  readonly start: () => void;
}

const usualSeconds = 5;

export class FairQueue {
  readonly #options: FairQueueOptions;
  /** By user; the first of the map is next. */
  readonly #lines = new Map<string, Waiting[]>();
  readonly #perUser = new Map<string, number>();
  #running = 0;
  #waiting = 0;
  /** Of one request in the engine, smoothed; for Retry-After. */
  #seconds = usualSeconds;

  constructor(options: FairQueueOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Throws 429 when there is none. */
  mustHaveRoom(user: string): void {
    const mustWait = this.#running >= this.#options.running || this.#waiting > 0;
    if (mustWait && this.#isFull(user)) throw this.#full();
  }

  /** Throws at once when there is no room. */
  enter(user: string, signal?: AbortSignal): Ticket {
    this.mustHaveRoom(user);
    let over = false;
    let startedAt: number | undefined;
    let stop: () => void = () => {};
    const turn = new Promise<void>((resolve, reject) => {
      const waiting: Waiting = {
        start: () => {
          signal?.removeEventListener("abort", stop);
          startedAt = performance.now();
          this.#running++;
          resolve();
        },
      };
      stop = () => {
        if (startedAt !== undefined || over) return;
        over = true;
        this.#remove(user, waiting);
        this.#count(user, -1);
        reject(new QuireError("cancelled", "Stopped on request.", { cause: signal?.reason }));
      };
      this.#count(user, 1);
      this.#append(user, waiting);
      if (signal?.aborted === true) stop();
      else signal?.addEventListener("abort", stop, { once: true });
    });
    this.#admit();
    return {
      turn,
      leave: () => {
        if (over) return;
        if (startedAt === undefined) {
          stop();
          return;
        }
        over = true;
        this.#running--;
        this.#count(user, -1);
        this.#seconds += 0.2 * ((performance.now() - startedAt) / 1000 - this.#seconds);
        this.#admit();
      },
    };
  }

  /** Full for all; or half full of this user's requests while others are there. */
  #isFull(user: string): boolean {
    if (this.#waiting >= this.#options.waiting) return true;
    const own = this.#lines.get(user)?.length ?? 0;
    const others = this.#perUser.size > (this.#perUser.has(user) ? 1 : 0);
    return others && own >= Math.max(1, Math.floor(this.#options.waiting / 2));
  }

  #full(): ApiError {
    const rounds = (this.#waiting + 1) / Math.max(1, this.#options.running);
    const seconds = Math.min(60, Math.max(1, Math.ceil(this.#seconds * rounds)));
    return new ApiError(429, `${this.#waiting} requests wait already. Try again in ${seconds} seconds.`, {
      code: "queue_full",
      headers: { "retry-after": String(seconds) },
    });
  }

  #append(user: string, waiting: Waiting): void {
    const line = this.#lines.get(user);
    if (line === undefined) this.#lines.set(user, [waiting]);
    else line.push(waiting);
    this.#waiting++;
  }

  #remove(user: string, waiting: Waiting): void {
    const line = this.#lines.get(user);
    const at = line?.indexOf(waiting) ?? -1;
    if (line === undefined || at < 0) return;
    line.splice(at, 1);
    this.#waiting--;
    if (line.length === 0) this.#lines.delete(user);
  }

  #admit(): void {
    while (this.#running < this.#options.running) {
      const [first] = this.#lines;
      if (first === undefined) return;
      const [user, line] = first;
      // To the back of the users' round, whether more of his wait or not.
      this.#lines.delete(user);
      const next = line.shift();
      if (line.length > 0) this.#lines.set(user, line);
      this.#waiting--;
      next?.start();
    }
  }

  #count(user: string, change: number): void {
    const now = (this.#perUser.get(user) ?? 0) + change;
    if (now > 0) this.#perUser.set(user, now);
    else this.#perUser.delete(user);
  }
}
