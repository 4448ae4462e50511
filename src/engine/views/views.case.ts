import type { CacheType } from "../../cache/store/entry-codec.js";
import { KeyValueStore } from "../../cache/store/key-values.js";
import { type PlainEntry, plainLogits, type TinyModel } from "../../models/tiny-models.case.js";
import { ForwardPass } from "../forward.js";
import type { LoadedModel } from "../model.js";
import { BlockMemory } from "./block-memory.js";

/** Blocks and views on a tiny model, and beside them lists of rows: what each row sees, and at which position, is written down as
 *  plain numbers, and plain attention rotates every key to the place where the row sees it. */

type Layers = { kvHeads: number; headDim: number; window?: number }[];

interface Seen {
  readonly position: number;
  readonly sees: readonly { readonly row: number; readonly position: number }[];
}

export class ViewTrial {
  readonly memory: BlockMemory;
  readonly pass: ForwardPass;
  readonly first: KeyValueStore;
  readonly got: Float32Array[] = [];
  readonly tokens: number[] = [];
  readonly #rows: Seen[] = [];
  /** Rows by block. */
  readonly blocks: number[][] = [[]];

  constructor(model: LoadedModel, type: CacheType = "f32", limit = 1000) {
    const layers = model.architecture.memory(model.config) as Layers;
    const open = (size: number) => new KeyValueStore(model.device, { layers, type }, size);
    this.first = open(64);
    this.pass = new ForwardPass(model);
    this.memory = new BlockMemory(() => this.first, { limit, open, close: (store) => this.#closeStore(store) });
  }

  open(room?: number): number {
    this.blocks.push([]);
    return this.memory.open(room);
  }

  /** Ordinary text at the end of block 0. */
  async read(tokens: readonly number[]): Promise<void> {
    const { first: store } = this;
    for (const token of tokens) {
      this.blocks[0]?.push(this.tokens.length);
      this.tokens.push(token);
      const own = this.blocks[0] as number[];
      this.#rows.push({ position: own.length - 1, sees: own.map((row, position) => ({ row, position })) });
    }
    const slots = store.reserve(tokens.length);
    const wanted = Int32Array.from(tokens, (_, i) => i);
    const { positions } = slots;
    const result = await this.pass.run([{ store, tokens: Int32Array.from(tokens), positions, slots, wanted }]);
    for (const row of wanted) this.got.push(result.logits(0, row).slice());
  }

  /** Rows that read views; each view gets its tokens. */
  async step(parts: readonly { view: readonly number[]; tokens: readonly number[] }[]): Promise<void> {
    const newRows = parts.map(({ view, tokens }) => {
      const block = this.blocks[view.at(-1) as number] as number[];
      return tokens.map((token) => {
        block.push(this.tokens.length);
        return this.tokens.push(token) - 1;
      });
    });
    for (const [number, { view }] of parts.entries()) {
      const joined = view.flatMap((block) => this.blocks[block] as number[]);
      for (const row of newRows[number] as number[]) {
        const position = joined.indexOf(row);
        this.#rows.push({
          position,
          sees: joined.slice(0, position + 1).map((seen, at) => ({ row: seen, position: at })),
        });
      }
    }
    const tokens = Int32Array.from(parts.flatMap((part) => part.tokens));
    const of = Int32Array.from(parts.flatMap((part, view) => part.tokens.map(() => view)));
    const sees = { kind: "views" as const, of, views: parts.map(({ view }) => view) };
    this.memory.check({ tokens, want: "all", sees }, 0);
    const views = this.memory.place(sees, tokens.length);
    const positions = views.keyPositions;
    const slots = { positions, shared: [], byHead: new Map() };
    const wanted = tokens.map((_, i) => i);
    const result = await this.pass.run([{ store: this.first, tokens, positions, slots, wanted, sees, views }]);
    for (const row of wanted) this.got.push(result.logits(0, row).slice());
  }

  async move(to: number, from: number): Promise<void> {
    this.memory.append(to, from);
    this.blocks[to]?.push(...(this.blocks[from]?.splice(0) ?? []));
    await this.memory.settle();
  }

  expected(tiny: TinyModel): number[][] {
    return plainLogits(tiny, this.tokens, {
      views: ({ window, rotate }, place, all) => {
        const { position, sees } = this.#rows[place] as Seen;
        return sees
          .filter((seen) => position - seen.position < window)
          .map((seen): PlainEntry => {
            const entry = all[seen.row] as PlainEntry;
            // The query stands at `place` there; the key goes as far before it as it is seen.
            const wanted = place - (position - seen.position);
            return { ...entry, key: rotate(entry.key, wanted - seen.row) };
          });
      },
    });
  }

  close(): void {
    this.pass.close();
    this.memory.close();
    this.first.close();
  }

  #closeStore(store: KeyValueStore): void {
    this.pass.forget(store);
    store.close();
  }
}
