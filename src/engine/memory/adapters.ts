import { nearest, QuireError } from "../../errors.js";
import { suggestion } from "../../method.js";
import type { Device } from "../../tensor/device.js";
import type { Graph } from "../../tensor/graph.js";
import { Storage } from "../../tensor/storage.js";
import type { Tensor } from "../../tensor/tensor.js";
import { type Adapter, readAdapter } from "../../weights/adapter-file.js";
import type { WeightRequest, Weights } from "../../weights/load.js";
import { type ProductSite, withProducts } from "../../weights/weights-with-products.js";

/** LoRA adapters beside a model's weights, several at once: sequences of one pass may each use another one, or none. The thin matrices
 *  of all adapters lie side by side, so that two products serve them all; a mask of rows and columns keeps them apart. */

export interface NamedAdapter {
  readonly name: string;
  /** Folder or safetensors file. */
  readonly path: string;
}

interface Bank {
  readonly name: string;
  /** Columns of a single weight before this adapter's, and its own. */
  readonly start: number;
  readonly rank: number;
}

/** Ranks of all adapters together at most. */
const mostColumns = 4096;

export class Adapters {
  /** Operations that a layer needs beside its own. */
  static readonly nodes = 48;
  readonly names: readonly string[];
  readonly #banks: readonly Bank[];
  readonly #storage: Storage;
  readonly #weights: Weights;

  static async load(
    named: readonly NamedAdapter[],
    requests: readonly WeightRequest[],
    weights: Weights,
    device: Device,
  ): Promise<Adapters> {
    const loaded: { name: string; adapter: Adapter }[] = [];
    for (const { name, path } of named) {
      if (loaded.some((other) => other.name === name)) {
        throw new QuireError("bad-option", `Two adapters are called ${name}.`, {
          got: name,
          expected: "one name each",
        });
      }
      loaded.push({ name, adapter: await readAdapter(path, requests) });
    }
    return new Adapters(loaded, requests, weights, device);
  }

  private constructor(
    loaded: readonly { readonly name: string; readonly adapter: Adapter }[],
    requests: readonly WeightRequest[],
    weights: Weights,
    device: Device,
  ) {
    this.names = loaded.map(({ name }) => name);
    this.#weights = weights;
    const banks: Bank[] = [];
    for (const { name, adapter } of loaded)
      banks.push({
        name,
        start: end(banks),
        rank: Math.max(...[...adapter.matrices.values()].map(({ rank }) => rank)),
      });
    this.#banks = banks;
    if (end(banks) > mostColumns) {
      throw new QuireError("bad-option", "The adapters' ranks are too large together.", {
        got: end(banks),
        expected: `at most ${mostColumns}`,
      });
    }
    const adapted = new Set(loaded.flatMap(({ adapter }) => [...adapter.matrices.keys()]));
    const sites = sitesOf(requests, weights, adapted);
    this.#storage = Storage.allocate(
      device,
      sites.flatMap(({ tensor, members }) => {
        const columns = members.length * end(banks);
        return [
          { name: `${tensor.name} a`, dtype: "f32" as const, shape: [columns, tensor.size(1)] },
          { name: `${tensor.name} b`, dtype: "f32" as const, shape: [tensor.size(0), columns] },
        ];
      }),
    );
    for (const site of sites)
      this.#write(
        site,
        loaded.map(({ adapter }) => adapter),
      );
  }

  #write({ tensor, members }: ProductSite, adapters: readonly Adapter[]): void {
    const [rows, inputs] = [tensor.size(0), tensor.size(1)];
    const columns = members.length * end(this.#banks);
    const a = new Float32Array(columns * inputs);
    const b = new Float32Array(rows * columns);
    for (const [index, { matrices, scale }] of adapters.entries()) {
      const { start, rank: width } = this.#banks[index] as Bank;
      for (const [place, { name, start: firstRow, size }] of members.entries()) {
        const found = matrices.get(name);
        if (found === undefined) continue;
        const firstColumn = members.length * start + place * width;
        a.set(found.a, firstColumn * inputs);
        for (let row = 0; row < size; row++) {
          for (let column = 0; column < found.rank; column++)
            b[(firstRow + row) * columns + firstColumn + column] = scale * (found.b[row * found.rank + column] ?? 0);
        }
      }
    }
    this.#storage.write(this.#storage.tensor(`${tensor.name} a`), a);
    this.#storage.write(this.#storage.tensor(`${tensor.name} b`), b);
  }

  get sizeBytes(): number {
    return this.#storage.sizeBytes;
  }

  /** The name itself, where there is such an adapter. */
  mustHave(name: string): string {
    if (this.names.includes(name)) return name;
    throw new QuireError("not-found", `There is no adapter called ${name}.`, {
      got: name,
      expected: this.names.join(", "),
      fix: suggestion(nearest(name, this.names)),
    });
  }

  /** What a graph that was built for these segments depends on. */
  key(segments: readonly AdaptedRows[]): string {
    const { used, mixed } = this.#used(segments);
    if (used.length === 0) return "";
    return ` adapters-${used[0]?.start}-${end(used)}${mixed ? "-mixed" : ""}`;
  }

  /** The model's weights as these segments see them, while a graph is built. */
  forPass(graph: Graph, segments: readonly AdaptedRows[]): AdaptedPass {
    const { used, mixed } = this.#used(segments);
    if (used.length === 0) return { weights: this.#weights, fill: () => {} };
    const [from, to] = [used[0]?.start ?? 0, end(used)];
    const masks = new Map<string, { mask: Tensor; members: number; whole: boolean }>();
    const rows = segments.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const maskFor = (count: number, members: number): Tensor => {
      const key = `${count} ${members}`;
      const known = masks.get(key)?.mask;
      if (known !== undefined) return known;
      const mask = graph.input(`adapters ${key}`, "f32", [count, members * (to - from)]);
      masks.set(key, { mask, members, whole: count === rows });
      return mask;
    };
    const weights = withProducts(this.#weights, ({ tensor, members }) => {
      const a = this.#storage.tensors.get(`${tensor.name} a`);
      const b = this.#storage.tensors.get(`${tensor.name} b`);
      if (a === undefined || b === undefined) return undefined;
      const columns = members.length * (to - from);
      const part = (matrix: Tensor, axis: number): Tensor =>
        columns === matrix.size(axis) ? matrix : graph.use(matrix).slice(axis, members.length * from, columns);
      return (x) => {
        const thin = x.linear(part(a, 0));
        const own = mixed ? thin.mul(maskFor(x.size(0), members.length)) : thin;
        return x.linear(tensor).add(own.linear(part(b, 1)));
      };
    });
    return {
      weights,
      fill: (present) => {
        for (const { mask, members, whole } of masks.values())
          this.#fillMask(graph.host(mask), present, { members, whole, from, to });
      },
    };
  }

  /** Adapters that rows use, in their order, and whether rows differ. */
  #used(segments: readonly AdaptedRows[]): { used: Bank[]; mixed: boolean } {
    const wanted = new Set(segments.map(({ adapter }) => adapter));
    const used = this.#banks.filter(({ name }) => wanted.has(name));
    return { used, mixed: wanted.size > 1 };
  }

  #fillMask(
    values: Float32Array,
    segments: readonly AdaptedRows[],
    { members, whole, from, to }: { members: number; whole: boolean; from: number; to: number },
  ): void {
    values.fill(0);
    const width = members * (to - from);
    let row = 0;
    for (const { adapter, tokens, wanted } of segments) {
      const bank = this.#banks.find(({ name }) => name === adapter);
      const count = whole ? tokens.length : wanted.length;
      for (let own = 0; own < count && bank !== undefined; own++) {
        const start = (row + own) * width + members * (bank.start - from);
        values.fill(1, start, start + members * bank.rank);
      }
      row += count;
    }
  }

  close(): void {
    this.#storage.close();
  }
}

/** Rows of one sequence, and the adapter they go through. */
export interface AdaptedRows {
  readonly adapter?: string;
  readonly tokens: Int32Array;
  readonly wanted: Int32Array;
}

export interface AdaptedPass {
  readonly weights: Weights;
  /** Before each run. */
  fill(segments: readonly AdaptedRows[]): void;
}

function end(banks: readonly Bank[]): number {
  const last = banks.at(-1);
  return last === undefined ? 0 : last.start + last.rank;
}

/** The stored matrices that hold adapted weights. */
function sitesOf(requests: readonly WeightRequest[], weights: Weights, adapted: ReadonlySet<string>): ProductSite[] {
  const sites = new Map<Tensor, ProductSite>();
  for (const { name, group } of requests) {
    if (!adapted.has(name)) continue;
    const found =
      group === undefined
        ? { tensor: weights.get(name), members: [{ name, start: 0, size: weights.get(name).size(0) }] }
        : weights.group(group).find(({ members }) => members.some((member) => member.name === name));
    if (found !== undefined) sites.set(found.tensor, found);
  }
  return [...sites.values()];
}
