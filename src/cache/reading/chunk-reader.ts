import { ChunkList, rankedByVotes, selectChunks } from "./chunk-list.js";

/** ChunkLLM without tensors: what each layer reads of one sequence. */

export interface ChunkReaderOptions {
  readonly layers: number;
  /** Width of adapter keys; 0 without adapters. */
  readonly width: number;
  readonly local: number;
  readonly longest: number;
  readonly refresh: "boundary" | "everyToken";
  readonly scope: "perLayer" | "vote";
}

/** Reads are padded to a multiple of this, so that a graph fits many steps. */
const readStep = 64;

export class ChunkReader {
  /** Entries a step reads at most. */
  limit = Number.POSITIVE_INFINITY;
  selections = 0;
  /** Chunks that each layer reads besides the first and the newest text. */
  chosen: readonly (readonly number[])[];
  chunks: ChunkList;
  readonly #options: ChunkReaderOptions;

  constructor(options: ChunkReaderOptions) {
    this.#options = options;
    this.chunks = new ChunkList(options.layers * options.width, options.longest);
    this.chosen = Array.from({ length: options.layers }, () => []);
  }

  clone(): ChunkReader {
    const copy = new ChunkReader(this.#options);
    copy.limit = this.limit;
    copy.selections = this.selections;
    copy.chosen = this.chosen;
    copy.chunks = this.chunks.clone();
    return copy;
  }

  /** Adapter keys of new rows, by layer f32 [rows, width], and whether each ends a chunk. True when a chunk was closed. */
  take(rows: number, keys: readonly (Float32Array | undefined)[], isBoundary: (row: number) => boolean): boolean {
    const { width, layers } = this.#options;
    let closed = false;
    const key = new Float32Array(width * layers);
    for (let row = 0; row < rows; row++) {
      for (const [index, own] of keys.entries()) {
        for (let r = 0; r < width; r++) key[index * width + r] = own?.[row * width + r] ?? 0;
      }
      closed = this.chunks.push(key, isBoundary(row)) || closed;
    }
    return closed;
  }

  isDue(closed: boolean): boolean {
    return closed || this.#options.refresh === "everyToken";
  }

  /** Chooses anew for the adapter query of each layer, f32 [width]. */
  select(queries: readonly (Float32Array | undefined)[]): void {
    const { width, local, scope } = this.#options;
    const { closed, open, tokens } = this.chunks;
    const scores = queries.map((query, index) =>
      closed.map(({ key }) => {
        let product = 0;
        for (let r = 0; r < width; r++) product += (query?.[r] ?? 0) * (key[index * width + r] as number);
        return product;
      }),
    );
    const choose = (own: readonly number[]) =>
      selectChunks(
        closed.map(({ start, end }, chunk) => ({ start, end, score: own[chunk] as number })),
        { budget: this.limit, local, tokens, open },
      );
    this.chosen = scores.map(choose);
    if (scope === "vote") {
      const common = choose(rankedByVotes(this.chosen, scores));
      this.chosen = this.chosen.map(() => common);
    }
    this.selections++;
  }

  /** With so many tokens, everything is read. */
  readsAll(tokens: number): boolean {
    return tokens <= this.limit || this.chunks.closed.length < 3;
  }

  /** Positions that a layer reads when the text has `tokens` tokens, the new one included; ascending. */
  positions(layer: number, tokens: number): number[] {
    const localStart = Math.min(this.chunks.open, Math.max(0, tokens - this.#options.local));
    const positions: number[] = [];
    for (const chunk of [0, ...(this.chosen[layer] ?? [])]) {
      const { start, end } = this.chunks.closed[chunk] as { start: number; end: number };
      for (let position = start; position < Math.min(end, localStart); position++) positions.push(position);
    }
    for (let position = localStart; position < tokens; position++) positions.push(position);
    return positions;
  }

  /** The longest layer's read, padded. */
  padded(tokens: number): number {
    const most = Math.max(...this.chosen.map((_, layer) => this.positions(layer, tokens).length));
    return Math.ceil(most / readStep) * readStep;
  }
}
