import type { Pass, RunningRequest } from "../src/api/contract.js";

/** Requests of invented people that arrive, are read slice by slice and answered, so that the scheduler's page has something to show. */

interface Simulated {
  id: string;
  user: string;
  prompt: number;
  read: number;
  shared: number;
  wanted: number;
  written: number;
  started: number;
  policy: string;
}

const people = ["ada", "barbara", "edsger", "grace"];
const budget = 256;
const most = 6;
const bytesPerEntry = 23_040;
const limit = 2 * 1024 ** 3;

export class EngineSimulation {
  #random = seeded(7);
  #count = 0;
  #requests: Simulated[] = [];
  #listeners = new Set<(pass: Pass) => void>();
  #timer: NodeJS.Timeout | undefined;
  readonly #passMs: number;

  constructor(passMs: number) {
    this.#passMs = passMs;
    for (let i = 0; i < 3; i++) this.#arrive();
  }

  follow(listener: (pass: Pass) => void): () => void {
    this.#listeners.add(listener);
    this.#timer ??= setInterval(() => this.#step(), this.#passMs);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  requests(): RunningRequest[] {
    return this.#requests.map((one, index) => ({
      id: one.id,
      user: one.user,
      state: index >= most ? "waiting" : one.read < one.prompt ? "reading" : "writing",
      prompt_tokens: one.prompt,
      completion_tokens: one.written,
      cached_tokens: one.shared,
      cache: { policy: one.policy, entries: entriesOf(one), bytes: entriesOf(one) * bytesPerEntry },
      started_at: one.started,
    }));
  }

  cancel(id: string): boolean {
    const before = this.#requests.length;
    this.#requests = this.#requests.filter((one) => one.id !== id);
    return this.#requests.length < before;
  }

  #arrive(): void {
    const long = this.#random() < 0.25;
    const prompt = Math.floor(long ? 900 + this.#random() * 1100 : 40 + this.#random() * 160);
    const shared = this.#random() < 0.4 ? Math.min(prompt - 8, 32) : 0;
    this.#requests.push({
      id: `req-${(++this.#count).toString(36).padStart(4, "0")}`,
      user: people[Math.floor(this.#random() * people.length)] ?? "ada",
      prompt,
      read: shared,
      shared,
      wanted: Math.floor(30 + this.#random() * 90),
      written: 0,
      started: Date.now() / 1000,
      policy: long ? "window:budget=1024" : "full",
    });
  }

  #step(): void {
    if (this.#requests.length === 0 || (this.#requests.length < 9 && this.#random() < 0.13)) this.#arrive();
    const running = this.#requests.slice(0, most);
    const writing = running.filter((one) => one.read >= one.prompt);
    let room = budget - writing.length;
    const slices: Pass["slices"][number][] = [];
    for (const one of running) {
      if (one.read >= one.prompt || room <= 0) continue;
      const rows = Math.min(room, one.prompt - one.read);
      slices.push({ request: one.id, user: one.user, rows });
      one.read += rows;
      room -= rows;
    }
    for (const one of writing) one.written++;
    this.#requests = this.#requests.filter((one) => one.written < one.wanted);
    const rows = budget - room;
    const pass: Pass = {
      at: Date.now(),
      ms: Math.round((9 + rows * 0.14 + this.#random() * 4) * 10) / 10,
      decode_rows: writing.length,
      slices,
      waiting: Math.max(0, this.#requests.length - most),
      running: running.length,
      cache_bytes: running.reduce((sum, one) => sum + entriesOf(one) * bytesPerEntry, 0) + 180 * 1024 ** 2,
      cache_limit_bytes: limit,
    };
    for (const listener of this.#listeners) listener(pass);
  }
}

function entriesOf({ policy, read, written }: Simulated): number {
  return policy === "full" ? read + written : Math.min(1024, read + written);
}

/** Mulberry32: small, and the same on every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
