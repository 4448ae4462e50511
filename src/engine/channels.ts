import type { AnswerNotes, Channel, Choice } from "../decode/decoder.js";
import { QuireError } from "../errors.js";
import type { AsyncQueue } from "./async-queue.js";
import type { FinishReason, Output, OutputPiece } from "./output.js";
import type { SequenceOptions, SequenceStats } from "./sequence-options.js";

/** What comes out of a sequence: one text, or one for every answer or worker of its decoder. */

/** What one channel of a sequence came to. */
export interface ChannelResult {
  readonly channel: number;
  readonly notes: AnswerNotes;
  readonly finishReason: FinishReason | undefined;
}

interface OpenChannel extends Channel {
  readonly index: number;
  readonly output: Output;
  notes: AnswerNotes;
}

export class Channels {
  readonly #open: OpenChannel[] = [];
  readonly #options: Pick<SequenceOptions, "sampler" | "openOutput" | "onToken">;
  readonly #stats: SequenceStats;
  readonly #pieces: AsyncQueue<OutputPiece>;
  readonly #started = performance.now();
  #newestToken = 0;

  constructor(
    options: Pick<SequenceOptions, "sampler" | "openOutput" | "onToken">,
    stats: SequenceStats,
    pieces: AsyncQueue<OutputPiece>,
  ) {
    this.#options = options;
    this.#stats = stats;
    this.#pieces = pieces;
  }

  /** Seconds since the sequence came in. */
  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  get finishReason(): FinishReason | undefined {
    return this.#open[0]?.output.finish;
  }

  get results(): readonly ChannelResult[] {
    return this.#open.map(({ index, output, notes }) => ({ channel: index, notes, finishReason: output.finish }));
  }

  channel(index: number): Channel {
    const found = this.#open[index];
    if (found !== undefined) return found;
    if (index !== this.#open.length) {
      throw new QuireError("bad-input", `The decoder asked for channel ${index}.`, { expected: this.#open.length });
    }
    const { sampler, openOutput } = this.#options;
    const output = openOutput();
    const channel: OpenChannel = {
      index,
      output,
      notes: {},
      sampler: index === 0 ? sampler : sampler.fork(index),
      emit: (choice) => this.#emit(channel, choice),
      remaining: () => output.remaining(),
      describe: (notes) => {
        channel.notes = { ...channel.notes, ...notes };
      },
    };
    this.#open.push(channel);
    return channel;
  }

  /** Hands out the text that was held back. */
  flush(): void {
    for (const { index, output } of this.#open) {
      const text = output.flush();
      if (text !== "") this.#pieces.push(of(index, { text, token: -1, logProb: 0 }));
    }
  }

  close(): void {
    // The first channel's sampler is the caller's.
    for (const { sampler } of this.#open.slice(1)) sampler.close();
  }

  #emit({ index, output }: OpenChannel, choice: Choice): boolean {
    const piece = output.push(choice);
    if (piece !== undefined) {
      const now = performance.now();
      const first = this.#stats.completionTokens === 0;
      const seconds = (now - (first ? this.#started : this.#newestToken)) / 1000;
      if (first) this.#stats.secondsToFirstToken = seconds;
      this.#newestToken = now;
      this.#stats.completionTokens++;
      this.#pieces.push(of(index, piece));
      this.#options.onToken?.(seconds, first);
    }
    return output.finish !== undefined;
  }
}

const of = (index: number, piece: OutputPiece): OutputPiece => (index > 0 ? { ...piece, channel: index } : piece);
