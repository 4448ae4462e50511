import { QuireError } from "../../errors.js";
import type { AttendOptions, Unrotated } from "../../models/architecture.js";
import { isQuantised } from "../../tensor/dtype.js";
import type { Graph } from "../../tensor/graph.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Segment } from "../forward.js";
import type { ViewRows } from "./view-rows.js";

/** What rows that read views need in a pass, and their attention: all rows' keys and values go to their blocks first; then the queries
 *  are rotated once for each block, scores of all blocks stand side by side, and one soft-max goes over them. */
export class ViewInputs {
  readonly #graph: Graph;
  readonly #rows: number;
  readonly #name: string;
  readonly #parts: ViewRows["parts"];
  readonly #keyPositions: Tensor;
  readonly #queryPositions: Tensor;
  /** By part; undefined where no row goes. */
  readonly #slots: (Tensor | undefined)[];
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
    this.#keyPositions = graph.input(`key positions ${index}`, "i32", [this.#rows]);
    this.#queryPositions = graph.input(`query positions ${index}`, "i32", [parts.length * this.#rows]);
    this.#slots = parts.map(({ rows }, part) =>
      rows === 0 ? undefined : graph.input(`slots ${index} ${part}`, "i64", [rows]),
    );
  }

  /** Part of a graph's key. */
  static key({ parts }: ViewRows): string {
    return parts
      .map(({ store, read, first, rows }) => `${store.id}.${store.generation}.view${first}+${rows}.${read}`)
      .join(" ");
  }

  /** Nodes of a graph that a layer may need. */
  static nodes({ parts }: ViewRows): number {
    return 24 + parts.length * 16;
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
    const count = this.#parts.length;
    const newKeys = plain.rotate(plain.keys.permute(1, 0, 2), this.#keyPositions).permute(1, 0, 2);
    const plainQueries = plain.queries.permute(1, 0, 2);
    const spread = count === 1 ? plainQueries : plainQueries.repeat(count * rows, heads, width);
    // Heads of a group meet each key together, which then is read once.
    const rotated = plain
      .rotate(spread, this.#queryPositions)
      .reshape(count, rows, groups, perGroup * width)
      .permute(0, 2, 1, 3)
      .cont()
      .reshape(count * groups, rows * perGroup, width);
    let scores: Tensor | undefined;
    const stored: Tensor[] = [];
    for (const [number, part] of this.#parts.entries()) {
      const memory = part.store.layer(layer);
      const slots = this.#slots[number];
      const own = (x: Tensor): Tensor => x.slice(1, part.first, part.rows);
      const allKeys = slots === undefined ? this.#graph.use(memory.keys) : memory.keys.setRows(slots, own(newKeys));
      stored.push(slots === undefined ? this.#graph.use(memory.values) : memory.values.setRows(slots, own(values)));
      const product = rotated.slice(0, number * groups, groups).linear(allKeys.slice(1, 0, part.read));
      scores = scores === undefined ? product : scores.concat(product, 2);
    }
    const mask = this.#maskOf(window, perGroup);
    const all = scores as Tensor;
    const capped =
      softcap > 0
        ? all
            .scale(scale / softcap)
            .tanh()
            .scale(softcap)
        : all;
    const weights = capped.softmax({ mask, scale: softcap > 0 ? 1 : scale });
    let attended: Tensor | undefined;
    let start = 0;
    for (const [number, { read }] of this.#parts.entries()) {
      const held = stored[number] as Tensor;
      const seen = isQuantised(held.dtype) ? held.cast("f32").slice(1, 0, read) : held.slice(1, 0, read).cast("f32");
      const share = seen.outerSum(weights.slice(2, start, read).transpose());
      attended = attended === undefined ? share : attended.add(share);
      start += read;
    }
    return (attended as Tensor)
      .reshape(groups, rows, perGroup * width)
      .permute(1, 0, 2)
      .cont()
      .reshape(rows, heads * width);
  }

  fill({ views }: Segment): void {
    const { memory, parts, keyPositions, queryPositions, visible } = mustHave(views);
    // The graph may be an older one of the same form, made for another sequence.
    memory.rotations = this.#rotations;
    this.#graph.host<Int32Array>(this.#keyPositions).set(keyPositions);
    this.#graph.host<Int32Array>(this.#queryPositions).set(queryPositions);
    for (const [number, { slots }] of parts.entries()) {
      const input = this.#slots[number];
      if (input === undefined) continue;
      const target = this.#graph.host<BigInt64Array>(input);
      for (const [row, slot] of slots.entries()) target[row] = BigInt(slot);
    }
    for (const [window, { mask, perGroup }] of this.#masks) {
      const target = this.#graph.host<Uint16Array>(mask);
      fillViewMask(target, { parts, queryPositions, visible, rows: this.#rows, perGroup, window });
    }
  }

  #maskOf(window: number, perGroup: number): Tensor {
    let found = this.#masks.get(window);
    if (found === undefined) {
      const read = this.#parts.reduce((sum, part) => sum + part.read, 0);
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
  const width = parts.reduce((sum, { read }) => sum + read, 0);
  let start = 0;
  for (const [number, { read }] of parts.entries()) {
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

function mustHave(views: ViewRows | undefined): ViewRows {
  if (views === undefined) throw new QuireError("bad-input", "The rows read no views.");
  return views;
}
