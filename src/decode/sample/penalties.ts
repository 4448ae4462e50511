/** Penalties on tokens that occurred among the newest `penaltyWindow` tokens of the answer. */
export interface PenaltyOptions {
  readonly repetitionPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly penaltyWindow: number;
}

export class Penalties {
  readonly #options: PenaltyOptions;
  readonly #active: boolean;
  readonly #recent: number[] = [];
  readonly #counts = new Map<number, number>();

  constructor(options: PenaltyOptions) {
    this.#options = options;
    this.#active = options.repetitionPenalty !== 1 || options.frequencyPenalty !== 0 || options.presencePenalty !== 0;
  }

  accept(token: number): void {
    if (!this.#active) return;
    this.#recent.push(token);
    this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
    if (this.#recent.length <= this.#options.penaltyWindow) return;
    const oldest = this.#recent.shift() as number;
    const left = (this.#counts.get(oldest) ?? 1) - 1;
    if (left === 0) this.#counts.delete(oldest);
    else this.#counts.set(oldest, left);
  }

  apply(logits: Float32Array): void {
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = this.#options;
    for (const [token, count] of this.#counts) {
      const logit = logits[token];
      if (logit === undefined) continue;
      const repeated = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
      logits[token] = repeated - count * frequencyPenalty - presencePenalty;
    }
  }
}
