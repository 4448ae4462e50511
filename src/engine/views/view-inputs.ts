import { QuireError } from "../../errors.js";
import type { AttendOptions, Unrotated } from "../../models/architecture.js";
import { isQuantised } from "../../tensor/dtype.js";
import type { Graph } from "../../tensor/graph.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Segment } from "../forward.js";
import { packed } from "./move-entries.js";
import type { ViewRows } from "./view-rows.js";

interface Stored {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** What rows that read views need in a pass, and their attention: all rows' keys and values go to their blocks first; then the queries
 *  are rotated once for each block, scores of all blocks stand side by side, and one soft-max goes over them. */
export class ViewInputs {
  readonly #graph: Graph;
  readonly #rows: number;
  readonly #name: string;
  readonly #parts: ViewRows["parts"];
  readonly #keyPositions: Tensor;
  readonly #queryPositions: Tensor;
  /** Of all parts together. */
  readonly #regions: number;
  /** By part; undefined where no row goes. */
  readonly #places: ({ readonly slots: Tensor; readonly rows: Tensor | undefined } | undefined)[];
  /** By width of the window; 0 without one. f16 [R · G, entries] with G query heads a group. */
  readonly #masks = new Map<number, { mask: Tensor; perGroup: number }>();
  readonly #rotations = new Map<number, Unrotated["rotate"]>();
  readonly weights: ReadonlyMap<number, Tensor> = new Map();
  readonly reading = undefined;

  constructor(graph: Graph, { tokens, views }: Segment, index: number) {
    const { parts } = mustHave(views);
    this.#graph = graph;
    this.#rows = tokens.length;
    this.#name = String(index);
    this.#parts = parts;
    this.#regions = regionsOf(parts);
    this.#keyPositions = graph.input(`key positions ${index}`, "i32", [this.#rows]);
    this.#queryPositions = graph.input(`query positions ${index}`, "i32", [this.#regions * this.#rows]);
    this.#places = parts.map(({ rows }, part) => {
      if (rows.length === 0) return undefined;
      const slots = graph.input(`slots ${index} ${part}`, "i64", [rows.length]);
      const isAll = rows.length === this.#rows;
      return { slots, rows: isAll ? undefined : graph.input(`rows ${index} ${part}`, "i32", [rows.length]) };
    });
  }

  /** Part of a graph's key. */
  static key({ parts, keyPositions }: ViewRows): string {
    return parts
      .map(({ store, regions, size, read, rows }) => {
        const form = `${regions.length}x${read}/${size}+${rows.length}/${keyPositions.length}`;
        return `${store.id}.${store.generation}.view${form}`;
      })
      .join(" ");
  }

  /** Nodes of a graph that a layer may need. */
  static nodes({ parts }: ViewRows): number {
    return 32 + parts.length * 28;
  }

  /** Queries [H, R, D], keys and values [K, R, D], of which only the values are used as they are; gives [R, H·D]. */
  attend(layer: number, queries: Tensor, keys: Tensor, values: Tensor, options: AttendOptions): Tensor {
    const { unrotated, scale, softcap = 0, window = 0 } = options;
    if (unrotated === undefined) {
      throw new QuireError("unsupported", `Layer ${layer} has no rotary positions, which views are read by.`, {
        fix: "Use the decoder autoregressive.",
      });
    }
    const plain = unrotated();
    this.#rotations.set(layer, plain.rotate);
    const [heads = 1, rows = 1, width = 1] = queries.shape;
    const groups = keys.size(0);
    const perGroup = heads / groups;
    const newKeys = plain.rotate(plain.keys.permute(1, 0, 2), this.#keyPositions);
    const newValues = values.permute(1, 0, 2);
    const plainQueries = plain.queries.permute(1, 0, 2);
    const spread = this.#regions === 1 ? plainQueries : plainQueries.repeat(this.#regions * rows, heads, width);
    // Heads of a group meet each key together, which then is read once: [regions, K, R · G, D].
    const rotated = plain
      .rotate(spread, this.#queryPositions)
      .reshape(this.#regions, rows, groups, perGroup * width)
      .permute(0, 2, 1, 3)
      .cont()
      .reshape(this.#regions, groups, rows * perGroup, width);
    const stored = this.#parts.map(({ store }, part) => {
      const memory = store.layer(layer);
      return { keys: this.#write(memory.keys, newKeys, part), values: this.#write(memory.values, newValues, part) };
    });
    let scores: Tensor | undefined;
    let region = 0;
    for (const [part, { regions, read }] of this.#parts.entries()) {
      const own = rotated.slice(0, region, regions.length);
      const product = own.linear(this.#read((stored[part] as Stored).keys, part).permute(1, 0, 2, 3));
      // [regions, K, R · G, read] to [K, R · G, regions · read]
      const ordered = regions.length === 1 ? product : product.permute(1, 2, 0, 3).cont();
      const flat = ordered.reshape(groups, rows * perGroup, regions.length * read);
      scores = scores === undefined ? flat : scores.concat(flat, 2);
      region += regions.length;
    }
    const all = scores as Tensor;
    const capped =
      softcap > 0
        ? all
            .scale(scale / softcap)
            .tanh()
            .scale(softcap)
        : all;
    const weights = capped.softmax({ mask: this.#maskOf(window, perGroup), scale: softcap > 0 ? 1 : scale });
    let attended: Tensor | undefined;
    let start = 0;
    for (const [part, { regions, read }] of this.#parts.entries()) {
      const count = regions.length * read;
      const seen = packed(this.#read((stored[part] as Stored).values, part)).reshape(groups, count, width);
      const share = seen.outerSum(weights.slice(2, start, count).transpose());
      attended = attended === undefined ? share : attended.add(share);
      start += count;
    }
    return (attended as Tensor)
      .reshape(groups, rows, perGroup * width)
      .permute(1, 0, 2)
      .cont()
      .reshape(rows, heads * width);
  }

  /** Those of the new rows [R, K, D] that go to a part are written there; gives its memory [K, slots, D]. */
  #write(memory: Tensor, rows: Tensor, part: number): Tensor {
    const place = this.#places[part];
    if (place === undefined) return this.#graph.use(memory);
    const [count = 1, groups = 1, width = 1] = rows.shape;
    const chosen =
      place.rows === undefined
        ? rows
        : packed(rows)
            .reshape(count, groups * width)
            .getRows(place.rows)
            .reshape(place.rows.size(0), groups, width);
    return memory.setRows(place.slots, chosen.permute(1, 0, 2));
  }

  /** What is read of a part: [K, regions, read, D]. */
  #read(memory: Tensor, part: number): Tensor {
    const { regions, size, read } = this.#parts[part] as ViewRows["parts"][number];
    const whole = isQuantised(memory.dtype) && read < size ? memory.cast("f32") : memory;
    const [groups = 1, slots = 1, width = 1] = whole.shape;
    return whole
      .reshape(groups, slots / size, size, width)
      .slice(1, 0, regions.length)
      .slice(2, 0, read);
  }

  fill({ views }: Segment): void {
    const { memory, parts, keyPositions, queryPositions, visible } = mustHave(views);
    // The graph may be an older one of the same form, made for another sequence.
    memory.rotations = this.#rotations;
    this.#graph.host<Int32Array>(this.#keyPositions).set(keyPositions);
    this.#graph.host<Int32Array>(this.#queryPositions).set(queryPositions);
    for (const [part, { slots, rows }] of parts.entries()) {
      const place = this.#places[part];
      if (place === undefined) continue;
      const target = this.#graph.host<BigInt64Array>(place.slots);
      for (const [row, slot] of slots.entries()) target[row] = BigInt(slot);
      if (place.rows !== undefined) this.#graph.host<Int32Array>(place.rows).set(rows);
    }
    for (const [window, { mask, perGroup }] of this.#masks) {
      const target = this.#graph.host<Uint16Array>(mask);
      fillViewMask(target, { parts, queryPositions, visible, rows: this.#rows, perGroup, window });
    }
  }

  #maskOf(window: number, perGroup: number): Tensor {
    let found = this.#masks.get(window);
    if (found === undefined) {
      const read = widthOf(this.#parts);
      const mask = this.#graph.input(`view mask ${this.#name} ${window}`, "f16", [this.#rows * perGroup, read]);
      found = { mask, perGroup };
      this.#masks.set(window, found);
    }
    return found.mask;
  }
}

const allowed = 0;
const forbidden = 0xfc00;

interface MaskSetting extends Pick<ViewRows, "parts" | "queryPositions" | "visible"> {
  readonly rows: number;
  readonly perGroup: number;
  readonly window: number;
}

/** f16 [R · G, entries of all parts]: 0 where a row may look, -Infinity elsewhere. */
function fillViewMask(
  mask: Uint16Array,
  { parts, queryPositions, visible, rows, perGroup, window }: MaskSetting,
): void {
  mask.fill(forbidden);
  const width = widthOf(parts);
  const reads = parts.flatMap(({ regions, read }) => regions.map(() => read));
  let start = 0;
  for (const [number, read] of reads.entries()) {
    for (let row = 0; row < rows; row++) {
      const at = number * rows + row;
      const oldest = window > 0 ? Math.max(0, (queryPositions[at] as number) - window + 1) : 0;
      const end = visible[at] as number;
      if (oldest >= end) continue;
      for (let head = 0; head < perGroup; head++) {
        const offset = (row * perGroup + head) * width + start;
        mask.fill(allowed, offset + oldest, offset + end);
      }
    }
    start += read;
  }
}

function regionsOf(parts: ViewRows["parts"]): number {
  return parts.reduce((sum, { regions }) => sum + regions.length, 0);
}

/** Entries that are read of all parts. */
function widthOf(parts: ViewRows["parts"]): number {
  return parts.reduce((sum, { regions, read }) => sum + regions.length * read, 0);
}

function mustHave(views: ViewRows | undefined): ViewRows {
  if (views === undefined) throw new QuireError("bad-input", "The rows read no views.");
  return views;
}
