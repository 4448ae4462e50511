/** Makes tokens less likely for having been said. */

export interface PenaltyOptions {
  readonly repetitionPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  /** How many of the newest tokens count. */
  readonly penaltyWindow: number;
}

export class Penalties {
  readonly #options: PenaltyOptions;
  readonly #counts = new Map<number, number>();
  #recent: number[] = [];
  #oldest = 0;

  constructor(options: PenaltyOptions) {
    this.#options = options;
  }

  get isActive(): boolean {
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = this.#options;
    return repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0;
  }

  clone(): Penalties {
    const copy = new Penalties(this.#options);
    for (const [token, count] of this.#counts) copy.#counts.set(token, count);
    copy.#recent = this.#recent.slice(this.#oldest);
    return copy;
  }

  accept(token: number): void {
    const { penaltyWindow } = this.#options;
    if (!this.isActive || penaltyWindow === 0) return;
    this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
    if (penaltyWindow === Number.POSITIVE_INFINITY) return;
    this.#recent.push(token);
    if (this.#recent.length - this.#oldest <= penaltyWindow) return;
    const dropped = this.#recent[this.#oldest++]!;
    const left = this.#counts.get(dropped)! - 1;
    if (left > 0) this.#counts.set(dropped, left);
    else this.#counts.delete(dropped);
    if (this.#oldest > penaltyWindow) {
      this.#recent = this.#recent.slice(this.#oldest);
      this.#oldest = 0;
    }
  }

  apply(logits: Float32Array): void {
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = this.#options;
    for (const [token, count] of this.#counts) {
      if (token >= logits.length) continue;
      const logit = logits[token]!;
      const repeated = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
      logits[token] = repeated - count * frequencyPenalty - presencePenalty;
    }
  }
}
