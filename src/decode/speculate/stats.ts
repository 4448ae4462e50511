import type { RoundOutcome } from "./plan.js";

/** What a speculating decoder tells of itself. Rounds are calls of the target after the prompt. */
export class SpeculationStats {
  readonly #stats: Record<string, number>;
  #emitted = 0;

  constructor(stats: Record<string, number>) {
    this.#stats = stats;
    for (const name of ["calls", "plainCalls", "draftCalls", "drafted", "accepted", "tokensPerCall"]) stats[name] = 0;
  }

  book({ rows, shape, tests, emitted, draftCalls }: RoundOutcome): void {
    this.#add("calls", 1);
    this.#add("plainCalls", rows === 1 ? 1 : 0);
    this.#add("draftCalls", draftCalls);
    this.#add("drafted", rows - 1);
    this.#emitted += emitted;
    this.#stats["tokensPerCall"] = this.#emitted / this.#stats["calls"]!;
    if (shape === undefined) return;
    for (const [depth, { accepted, draw }] of tests.entries()) {
      this.#add(`testedAtDepth${depth + 1}`, 1);
      if (!accepted) continue;
      this.#add("accepted", 1);
      this.#add(`acceptedAtDepth${depth + 1}`, 1);
      this.#add(`acceptedDraw${draw + 1}`, 1);
    }
  }

  #add(name: string, count: number): void {
    this.#stats[name] = (this.#stats[name] ?? 0) + count;
  }
}
