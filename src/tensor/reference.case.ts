import { Device } from "./device.js";
import { evaluate } from "./evaluate.js";
import type { Graph } from "./graph.js";
import { RandomSource } from "./random-source.case.js";
import { elements, type Shape } from "./shape.js";
import type { Tensor } from "./tensor.js";

/** Plain arrays with a shape, the slow and obvious way: what tests compare operations with. */
export interface Plain {
  readonly shape: Shape;
  readonly data: readonly number[];
}

export function plain(shape: Shape, at: (index: number[]) => number): Plain {
  const index = new Array<number>(shape.length).fill(0);
  const data = Array.from({ length: elements(shape) }, (_, flat) => {
    let rest = flat;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = rest % (shape[axis] ?? 1);
      rest = Math.floor(rest / (shape[axis] ?? 1));
    }
    return at([...index]);
  });
  return { shape, data };
}

/** The element at an index; axes that the array lacks are ignored, sizes that are too small start again. */
export function at(array: Plain, index: readonly number[]): number {
  const lead = index.length - array.shape.length;
  const flat = array.shape.reduce((sum, size, axis) => sum * size + ((index[axis + lead] ?? 0) % size), 0);
  return array.data[flat] ?? Number.NaN;
}

export function map(x: Plain, f: (value: number) => number): Plain {
  return { shape: x.shape, data: x.data.map(f) };
}

export function map2(a: Plain, b: Plain, f: (a: number, b: number) => number): Plain {
  return plain(a.shape, (index) => f(at(a, index), at(b, index)));
}

/** Each row (along the last axis) through a function. */
export function mapRows(x: Plain, f: (row: number[]) => number[]): Plain {
  const width = x.shape.at(-1) ?? 1;
  const rows: number[][] = [];
  for (let start = 0; start < x.data.length; start += width) rows.push(f(x.data.slice(start, start + width)));
  return { shape: [...x.shape.slice(0, -1), rows[0]?.length ?? 0], data: rows.flat() };
}

export function permuted(x: Plain, axes: readonly number[]): Plain {
  return plain(
    axes.map((axis) => x.shape[axis] ?? 1),
    (index) =>
      at(
        x,
        axes.map((_, axis) => index[axes.indexOf(axis)] ?? 0),
      ),
  );
}

export const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** How an operand lies in memory: in order, as a slice of something larger, with rows in another order, or with columns apart. */
export type Layout = "plain" | "sliced" | "rows moved" | "transposed";
export const layouts: readonly Layout[] = ["plain", "sliced", "rows moved", "transposed"];

/** A graph tensor with the values of `x`, in memory the way `layout` says. */
export function place(graph: Graph, x: Plain, layout: Layout = "plain"): Tensor {
  const rank = x.shape.length;
  if (layout === "plain" || rank < 2) return graph.constant(Float32Array.from(x.data), x.shape);
  if (layout === "sliced") {
    const wide = plain(
      x.shape.map((size) => size + 2),
      (index) =>
        index.some((i, axis) => i < 1 || i > (x.shape[axis] ?? 0))
          ? 77
          : at(
              x,
              index.map((i) => i - 1),
            ),
    );
    return x.shape.reduce((t, size, axis) => t.slice(axis, 1, size), place(graph, wide));
  }
  const order = [...x.shape.keys()];
  // "rows moved" exchanges two outer axes and needs three; "transposed" exchanges the last two.
  const first = layout === "rows moved" ? (rank >= 3 ? rank - 3 : rank - 2) : rank - 2;
  const second = layout === "rows moved" ? rank - 2 : rank - 1;
  order[first] = second;
  order[second] = first;
  return place(graph, permuted(x, order)).permute(...order);
}

export function randomPlain(random: RandomSource, shape: Shape, scale = 1): Plain {
  return plain(shape, () => Math.fround(scale * random.normal()));
}

export function randomShape(random: RandomSource, rank = random.int(1, 4)): number[] {
  return Array.from({ length: rank }, () => random.pick([1, 2, 3, 4, 5, 7, ...(rank <= 2 ? [17, 33] : [])]));
}

const devices = new Map<number, Device>();

/** One device for a test file and number of threads. */
export function testDevice(threads = 2): Device {
  const device = devices.get(threads) ?? Device.open({ device: "cpu", threads });
  devices.set(threads, device);
  return device;
}

export async function closeTestDevice(): Promise<void> {
  for (const device of devices.values()) await device.close();
  devices.clear();
}

export async function run(build: (graph: Graph) => Tensor): Promise<number[]> {
  const [values] = await evaluate(testDevice(), (graph) => [build(graph)]);
  return Array.from(values as Float32Array);
}

/** Compares element by element: |got − wanted| at most `tolerance` times (1 + |wanted|). */
export function expectClose(
  got: readonly number[],
  wanted: Plain | readonly number[],
  tolerance = 1e-5,
  note = "",
): void {
  const values = "data" in wanted ? wanted.data : wanted;
  if (got.length !== values.length) throw new Error(`${note} has ${got.length} elements instead of ${values.length}`);
  for (const [index, value] of values.entries()) {
    const actual = got[index] ?? Number.NaN;
    if (Object.is(actual, value) || actual === value) continue;
    if (Number.isNaN(value) && Number.isNaN(actual)) continue;
    if (!(Math.abs(actual - value) <= tolerance * (1 + Math.abs(value)))) {
      throw new Error(
        `${note} element ${index} is ${actual} instead of ${value} (shape ${"data" in wanted ? wanted.shape : ""})`,
      );
    }
  }
}

/** Root of the mean squared error over the root of the mean square of what is wanted. */
export function relativeError(got: readonly number[], wanted: Plain): number {
  const error = sumOf(wanted.data.map((value, index) => ((got[index] ?? Number.NaN) - value) ** 2));
  return Math.sqrt(error / Math.max(sumOf(wanted.data.map((value) => value ** 2)), 1e-30));
}

/** Runs a property for many seeds, and names the seed that fails. Set ONLY_SEED to run one. */
export async function forSeeds(count: number, property: (random: RandomSource) => Promise<void>): Promise<void> {
  const only = process.env["ONLY_SEED"];
  for (let seed = only === undefined ? 1 : Number(only); seed <= (only === undefined ? count : Number(only)); seed++) {
    try {
      await property(new RandomSource(seed));
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
}
