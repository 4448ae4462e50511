import type { CachePolicy, CacheShape, CacheView, Edit, EntryView, PolicyRun } from "./policy.js";

/** A memory of plain number arrays that runs one sequence through a policy: what the engine does, without tensors. Every policy is
 *  tested on it. It hands out only what the policy said it needs, and refuses edits the engine would refuse. */

export interface PlainText {
  readonly shape: CacheShape;
  readonly promptTokens: number;
  readonly maxNewTokens?: number;
  /** Attention of a query on held positions (ascending, none after the query); left out: soft-max over random keys. */
  weights?(at: { layer: number; queryHead: number; query: number }, positions: readonly number[]): number[];
  key?(layer: number, kvHead: number, position: number): number[];
  value?(layer: number, kvHead: number, position: number): number[];
}

export interface PlainEntry {
  slot: number;
  position: number;
  mass: number;
  key: number[];
  value: number[];
  columnSum: number;
}

export function plainShape(shape: Partial<CacheShape> = {}): CacheShape {
  const layers = shape.layers ?? 2;
  return {
    layers,
    kvHeads: 2,
    queryHeads: 4,
    headDim: 4,
    managedLayers: Array.from({ length: layers }, (_, layer) => layer),
    trainedTokens: 8192,
    ...shape,
  };
}

export class PlainSequence {
  readonly run: PolicyRun;
  /** Entries by layer and KV head, ascending by position. */
  entries: PlainEntry[][][];
  tokens = 0;
  steps = 0;
  readonly edits: { tokens: number; edits: Edit[] }[] = [];
  readonly #policy: CachePolicy;
  readonly #text: PlainText;

  constructor(policy: CachePolicy, text: PlainText, from?: PlainSequence) {
    this.#policy = policy;
    this.#text = text;
    this.run = from === undefined ? policy.create(text.shape) : from.run.clone();
    this.entries =
      from === undefined
        ? Array.from({ length: text.shape.layers }, () => Array.from({ length: text.shape.kvHeads }, () => []))
        : structuredClone(from.entries);
    this.tokens = from?.tokens ?? 0;
    this.steps = from?.steps ?? 0;
  }

  clone(text: PlainText = this.#text): PlainSequence {
    return new PlainSequence(this.#policy, text, this);
  }

  prefill(slice = this.#text.promptTokens): this {
    for (let start = 0; start < this.#text.promptTokens; start += slice) {
      const rows = Math.min(slice, this.#text.promptTokens - start);
      this.#read(rows);
      const isLast = start + rows === this.#text.promptTokens;
      const hook = isLast ? this.run.afterPrefill : this.run.afterPrefillSlice;
      this.#apply(hook?.call(this.run, this.#view(isLast ? "prompt" : "slice")) ?? []);
    }
    return this;
  }

  step(count = 1): this {
    for (let i = 0; i < count; i++) {
      this.#read(1);
      this.#apply(this.run.afterStep?.(this.#view("step"), ++this.steps) ?? []);
    }
    return this;
  }

  positions(layer = 0, kvHead = 0): number[] {
    return (this.entries[layer]?.[kvHead] ?? []).map(({ position }) => position);
  }

  /** Entries of every layer; the heads of a layer hold equally many. */
  counts(): number[] {
    return this.entries.map((heads) => heads[0]?.length ?? 0);
  }

  everyHead(): PlainEntry[][] {
    return this.#text.shape.managedLayers.flatMap((layer) => this.entries[layer] ?? []);
  }

  #read(rows: number): void {
    const { shape, key, value } = this.#text;
    for (const [layer, heads] of this.entries.entries()) {
      for (const [kvHead, held] of heads.entries()) {
        for (let row = 0; row < rows; row++) {
          const position = this.tokens + row;
          held.push({
            slot: (position * 17 + 5) % 4093,
            position,
            mass: 1,
            key: key?.(layer, kvHead, position) ?? noise(shape.headDim, layer, kvHead, position, 1),
            value: value?.(layer, kvHead, position) ?? noise(shape.headDim, layer, kvHead, position, 2),
            columnSum: 0,
          });
        }
        for (let row = 0; row < rows; row++) {
          for (const weights of this.#attention(layer, kvHead, this.tokens + row)) {
            for (const [index, weight] of weights.entries()) {
              const entry = held[index] as PlainEntry;
              entry.columnSum += (weight * shape.kvHeads) / shape.queryHeads;
            }
          }
        }
      }
    }
    this.tokens += rows;
  }

  /** [G][E up to the query] */
  #attention(layer: number, kvHead: number, query: number): number[][] {
    const { shape, weights } = this.#text;
    const group = shape.queryHeads / shape.kvHeads;
    const seen = (this.entries[layer]?.[kvHead] ?? []).filter(({ position }) => position <= query);
    return Array.from({ length: group }, (_, g) => {
      const queryHead = kvHead * group + g;
      if (weights !== undefined)
        return weights(
          { layer, queryHead, query },
          seen.map(({ position }) => position),
        );
      const q = noise(shape.headDim, layer, queryHead, query, 3);
      const powers = seen.map(
        ({ key, mass }) => mass * Math.exp(2 * q.reduce((sum, x, d) => sum + x * (key[d] ?? 0), 0)),
      );
      const total = powers.reduce((sum, power) => sum + power, 0);
      return powers.map((power) => power / total);
    });
  }

  #view(moment: "slice" | "prompt" | "step"): CacheView {
    const { promptTokens, maxNewTokens = 64 } = this.#text;
    return {
      tokens: this.tokens,
      promptTokens,
      maxNewTokens,
      entries: (layer, kvHead) => this.#entryView(layer, kvHead, moment),
    };
  }

  #entryView(layer: number, kvHead: number, moment: "slice" | "prompt" | "step"): EntryView {
    const { columnSums, promptRows = 0, stepRow, keys, values } = this.#policy.needs;
    const held = this.entries[layer]?.[kvHead] ?? [];
    const rowCount =
      moment === "prompt" ? Math.min(promptRows, this.#text.promptTokens) : moment === "step" && stepRow ? 1 : 0;
    const rowsByQuery = Array.from({ length: rowCount }, (_, row) =>
      this.#attention(layer, kvHead, this.tokens - rowCount + row),
    );
    const groups = rowsByQuery[0]?.length ?? 0;
    return {
      slots: Int32Array.from(held, ({ slot }) => slot),
      positions: Int32Array.from(held, ({ position }) => position),
      mass: Float32Array.from(held, ({ mass }) => mass),
      ...(columnSums ? { columnSums: Float32Array.from(held, ({ columnSum }) => columnSum) } : {}),
      ...(keys ? { keys: Float32Array.from(held.flatMap(({ key }) => key)) } : {}),
      ...(values ? { values: Float32Array.from(held.flatMap(({ value }) => value)) } : {}),
      ...(rowCount > 0
        ? {
            rowCount,
            rows: Float32Array.from(
              Array.from({ length: groups }, (_, g) =>
                rowsByQuery.map((byGroup) => held.map((_, index) => byGroup[g]?.[index] ?? 0)),
              ).flat(2),
            ),
          }
        : {}),
    };
  }

  #apply(edits: Edit[]): void {
    if (edits.length > 0) this.edits.push({ tokens: this.tokens, edits });
    const { managedLayers } = this.#text.shape;
    for (const edit of edits) {
      if (edit.layer !== undefined && !managedLayers.includes(edit.layer)) throw new Error("not a managed layer");
      for (const layer of edit.layer === undefined ? managedLayers : [edit.layer]) {
        const heads = this.entries[layer] as PlainEntry[][];
        for (const kvHead of edit.kvHead === undefined ? heads.keys() : [edit.kvHead])
          heads[kvHead] = edited(heads[kvHead] as PlainEntry[], edit);
      }
    }
    for (const heads of this.entries) {
      if (heads.some(({ length }) => length !== heads[0]?.length)) throw new Error("heads of a layer differ in count");
    }
  }
}

function edited(held: PlainEntry[], edit: Edit): PlainEntry[] {
  const bySlot = new Map(held.map((entry) => [entry.slot, entry]));
  const named = edit.kind === "keep" ? Array.from(edit.slots) : edit.groups.flatMap((group) => Array.from(group));
  if (new Set(named).size !== named.length) throw new Error("a slot is named twice");
  for (const slot of named) if (!bySlot.has(slot)) throw new Error(`slot ${slot} is not occupied`);
  const kept = new Set(named);
  if (edit.kind === "keep") return held.filter(({ slot }) => kept.has(slot));
  const gone = new Set<number>();
  for (const group of edit.groups) {
    const members = Array.from(group, (slot) => bySlot.get(slot) as PlainEntry);
    const mass = members.reduce((sum, member) => sum + member.mass, 0);
    const mean = (of: "key" | "value") =>
      (members[0] as PlainEntry)[of].map(
        (_, d) => members.reduce((sum, member) => sum + member.mass * (member[of][d] ?? 0), 0) / mass,
      );
    Object.assign(members[0] as PlainEntry, { key: mean("key"), value: mean("value"), mass });
    for (const member of members.slice(1)) gone.add(member.slot);
  }
  return held.filter(({ slot }) => !gone.has(slot));
}

/** Numbers that depend on nothing but their place. */
export function noise(length: number, ...place: number[]): number[] {
  let state = place.reduce(
    (hash, part) => Math.imul(hash ^ (part + 0x9e3779b9), 0x85ebca6b) ^ (hash >>> 13),
    0x2545f491,
  );
  return Array.from({ length }, () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 31 - 1;
  });
}
