import { type KeyValueStore, type Reservation, slotStep } from "../cache/store/key-values.js";
import type { RowVisibility } from "../decode/decoder.js";
import { QuireError } from "../errors.js";
import type { AttendOptions, Batch, Stage } from "../models/architecture.js";
import { Graph } from "../tensor/graph.js";
import { contiguous } from "../tensor/operand.js";
import type { Tensor } from "../tensor/tensor.js";
import type { BranchMemory } from "./branch-memory.js";
import { classKey, layerClasses } from "./layer-classes.js";
import { type AdaptedPass, Adapters } from "./memory/adapters.js";
import type { LoadedModel } from "./model.js";
import type { SegmentReader } from "./policy-reading.js";
import { SegmentInputs } from "./segment-inputs.js";
import { type CarriedRows, runStages, type StagePart } from "./staged-pass.js";
import { ViewInputs } from "./views/view-inputs.js";
import type { ViewRows } from "./views/view-rows.js";

/** One pass over the rows of many sequences: every weight multiplies all rows together, attention runs per sequence against its own
 *  memory. Graphs are kept and used again while the shape of the pass stays the same, which for decoding is most of the time. */

/** Rows of one sequence in a pass. */
export interface Segment {
  readonly store: KeyValueStore;
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  /** Where the rows' keys and values go; reserved before. */
  readonly slots: Reservation;
  /** Indices of rows whose logits are wanted. */
  readonly wanted: Int32Array;
  /** Who sees whom among the rows of the request; default: what lies at or before a row's position. */
  readonly sees?: RowVisibility;
  /** Where memory has branches: which of them each row continues. */
  readonly branches?: { readonly memory: BranchMemory; readonly of: Int32Array };
  /** Where rows read views: what they read, and where they go instead of to `slots`. */
  readonly views?: ViewRows;
  /** Bring back what the rows attend to, in managed layers. */
  readonly stepRow?: boolean;
  /** A policy that reads by its own rule. */
  readonly reader?: SegmentReader;
  /** The adapter that its rows go through. */
  readonly adapter?: string;
}

export interface PassResult {
  /** f32 [V] of the `index`-th wanted row of a segment. Valid until the next pass. */
  logits(segment: number, index: number): Float32Array;
  /** f32 [H, rows, slots read] of a segment that asked for it. Valid until the next pass. */
  weights(segment: number, layer: number): Float32Array | undefined;
  /** What the reader of a segment made readable. Valid until the next pass. */
  outputs(segment: number): ReadonlyMap<string, Float32Array> | undefined;
  /** Of a model in stages: how many of them each row of a segment entered. */
  depths?(segment: number): Uint16Array;
}

type AnyInputs = SegmentInputs | ViewInputs;

interface BuiltPass {
  readonly graph: Graph;
  readonly tokens: Tensor;
  readonly positions: Tensor;
  readonly wanted: Tensor | undefined;
  readonly segments: AnyInputs[];
  readonly adapted: AdaptedPass | undefined;
  readonly output: Tensor;
  /** Of a stage: what its rows bring along, and what they carry on. */
  readonly carried: Readonly<Record<string, Tensor>>;
  readonly results: Readonly<Record<string, Tensor>>;
}

/** Graphs kept, and the bytes that those beyond the newest may hold together. */
const keptGraphs = 32;
const keptBytes = 48 * 2 ** 20;
/** Rows of one sequence that a draft may have brought. */
const mostDraftRows = 32;

export class ForwardPass {
  readonly model: LoadedModel;
  /** Newest last. */
  readonly #built = new Map<string, BuiltPass>();
  /** `deepRows`: rows through stages, where the model has any. */
  readonly stats = { passes: 0, rows: 0, graphsBuilt: 0, deepRows: 0 };
  readonly stages: readonly Stage[] | undefined;

  constructor(model: LoadedModel) {
    this.model = model;
    this.stages = model.architecture.stages?.(model.config);
  }

  async run(segments: readonly Segment[], signal?: AbortSignal): Promise<PassResult> {
    this.#check(segments);
    this.stats.passes++;
    this.stats.rows += segments.reduce((sum, { tokens }) => sum + tokens.length, 0);
    if (this.stages !== undefined) return this.#runInStages(this.stages, segments, signal);
    const pass = this.#graphFor(segments);
    this.#fill(pass, segments);
    await pass.graph.run(signal);
    const starts: number[] = [];
    let start = 0;
    for (const { wanted } of segments) {
      starts.push(start);
      start += wanted.length;
    }
    const values = pass.graph.host<Float32Array>(pass.output);
    const width = pass.output.size(-1);
    return {
      logits: (segment, index) => {
        const row = (starts[segment] ?? 0) + index;
        return values.subarray(row * width, (row + 1) * width);
      },
      weights: (segment, layer) => {
        const found = pass.segments[segment]?.weights.get(layer);
        return found === undefined ? undefined : pass.graph.host<Float32Array>(found);
      },
      outputs: (segment) => pass.segments[segment]?.reading?.outputs(),
    };
  }

  async #runInStages(
    stages: readonly Stage[],
    segments: readonly Segment[],
    signal?: AbortSignal,
  ): Promise<PassResult> {
    const result = await runStages(stages, segments, async (part) => {
      const pass = this.#graphFor(part.segments, part);
      this.#fill(pass, part.segments);
      for (const [name, { values }] of Object.entries(part.carried))
        pass.graph.write(pass.carried[name] as Tensor, values);
      await pass.graph.run(signal);
      const results: CarriedRows = {};
      for (const [name, tensor] of Object.entries(pass.results))
        results[name] = { width: tensor.size(-1), values: pass.graph.host<Float32Array>(tensor) };
      return results;
    });
    this.stats.deepRows += result.deepRows;
    const { logits } = result;
    const width = this.model.config.vocabSize;
    const before = (segment: number) => segments.slice(0, segment).reduce((sum, { wanted }) => sum + wanted.length, 0);
    return {
      logits: (segment, index) => {
        const row = before(segment) + index;
        return logits.subarray(row * width, (row + 1) * width);
      },
      weights: () => undefined,
      outputs: () => undefined,
      depths: (segment) => result.depths[segment] as Uint16Array,
    };
  }

  /** Frees the graphs that were built on a store's memory. */
  forget(store: KeyValueStore): void {
    for (const [key, pass] of this.#built) {
      if (!key.split(" ").some((part) => part.startsWith(`${store.id}.`))) continue;
      pass.graph.close();
      this.#built.delete(key);
    }
  }

  close(): void {
    for (const pass of this.#built.values()) pass.graph.close();
    this.#built.clear();
  }

  #check(segments: readonly Segment[]): void {
    const { vocabSize } = this.model.config;
    for (const { tokens, positions, slots } of segments) {
      if (tokens.length === 0 || positions.length !== tokens.length || slots.positions.length !== tokens.length) {
        throw new QuireError("bad-input", "A pass needs a token, a position and a slot for every row.");
      }
      for (const token of tokens) {
        if (token < 0 || token >= vocabSize) {
          throw new QuireError("bad-input", `There is no token ${token} in the model's vocabulary.`, {
            got: token,
            expected: `0 to ${vocabSize - 1}`,
          });
        }
      }
    }
  }

  #graphFor(segments: readonly Segment[], stage?: StagePart): BuiltPass {
    const wanted = Math.max(
      1,
      segments.reduce((sum, segment) => sum + segment.wanted.length, 0),
    );
    const parts = segments.map(({ store, tokens, stepRow = false, reader, branches, views }) => {
      if (views !== undefined) return ViewInputs.key(views);
      const classes = layerClasses(store, readStep({ store, stepRow, reader, branches, tokens }, segments.length));
      const form = `${store.id}.${store.generation}.${tokens.length}.${classKey(store, classes)}`;
      return `${form}${stepRow ? ".row" : ""}${reader === undefined ? "" : `.${reader.key}`}`;
    });
    const ofStage = stage === undefined ? "" : ` ${stage.stage.name.replaceAll(" ", "-")}`;
    const key = `${parts.join(" ")} | ${wanted}${ofStage}${this.model.adapters?.key(segments) ?? ""}`;
    let pass = this.#built.get(key);
    if (pass !== undefined) {
      this.#built.delete(key);
      this.#built.set(key, pass);
      return pass;
    }
    for (const { store, views } of segments)
      for (const each of [store, ...(views?.parts ?? []).map((part) => part.store)]) this.#dropOlderThan(each);
    pass = this.#build(segments, wanted, stage);
    this.stats.graphsBuilt++;
    this.#built.set(key, pass);
    this.#evict();
    return pass;
  }

  /** Graphs on memory that has moved since would read freed addresses. */
  #dropOlderThan(store: KeyValueStore): void {
    for (const [key, pass] of this.#built) {
      const stale = key.split(" ").some((part) => {
        const [id, generation] = part.split(".");
        return id === String(store.id) && generation !== String(store.generation);
      });
      if (!stale) continue;
      pass.graph.close();
      this.#built.delete(key);
    }
  }

  #evict(): void {
    const sizes = [...this.#built.values()].map(({ graph }) => graph.sizeBytes);
    let total = sizes.reduce((sum, size) => sum + size, 0) - (sizes.at(-1) ?? 0);
    for (const [key, pass] of this.#built) {
      const kept = keptGraphs * (this.stages?.length ?? 1);
      if (this.#built.size <= 1 || (this.#built.size <= kept && total <= keptBytes)) return;
      total -= pass.graph.sizeBytes;
      pass.graph.close();
      this.#built.delete(key);
    }
  }

  #build(segments: readonly Segment[], wantedRows: number, stage?: StagePart): BuiltPass {
    const { architecture, config, adapters, device } = this.model;
    const observed = segments.reduce(
      (sum, segment) => sum + (segment.views ? ViewInputs.nodes(segment.views) : SegmentInputs.nodes(segment)),
      0,
    );
    const nodes = 40 + observed + (adapters === undefined ? 0 : Adapters.nodes);
    const graph = new Graph(device, { maxNodes: config.numLayers * nodes + 256 });
    try {
      const rows = segments.reduce((sum, { tokens }) => sum + tokens.length, 0);
      const tokens = graph.input("tokens", "i32", [rows]);
      const positions = graph.input("positions", "i32", [rows]);
      const wanted = wantedRows === rows ? undefined : graph.input("wanted", "i32", [wantedRows]);
      const inputs = segments.map((segment, index) =>
        segment.views === undefined
          ? new SegmentInputs(graph, segment, index, readStep(segment, segments.length))
          : new ViewInputs(graph, segment, index),
      );
      const batch: Batch = {
        graph,
        tokens,
        positions,
        wanted: (x) => (wanted === undefined ? x : x.getRows(wanted)),
        attend: (layer, queries, keys, values, options) =>
          attend(segments, inputs, layer, queries, keys, values, options),
        attendStored: (layer, queries, options) => attendStored(segments, inputs, layer, queries, options),
        ...(inputs.some(({ reading }) => reading !== undefined)
          ? { afterLayer: (layer: number, x: Tensor) => showLayer(segments, inputs, rows, layer, x) }
          : {}),
      };
      const adapted = adapters?.forPass(graph, segments);
      const weights = adapted?.weights ?? this.model.weights;
      const carried: Record<string, Tensor> = {};
      for (const [name, { width }] of Object.entries(stage?.carried ?? {}))
        carried[name] = graph.input(name, "f32", [rows, width]);
      const results =
        stage === undefined
          ? { logits: architecture.forward(config, weights, batch) }
          : stage.stage.forward(config, weights, batch, carried);
      const outputs = Object.entries(results).map(([name, tensor]): [string, Tensor] => [
        name,
        graph.output(contiguous(tensor), name),
      ]);
      graph.compile();
      const output = (outputs[0] as [string, Tensor])[1];
      return {
        ...{ graph, tokens, positions, wanted, segments: inputs, adapted, output, carried },
        results: Object.fromEntries(outputs),
      };
    } catch (error) {
      graph.close();
      throw error;
    }
  }

  #fill(pass: BuiltPass, segments: readonly Segment[]): void {
    const { graph } = pass;
    const tokens = graph.host<Int32Array>(pass.tokens);
    const positions = graph.host<Int32Array>(pass.positions);
    const wanted = pass.wanted === undefined ? undefined : graph.host<Int32Array>(pass.wanted);
    wanted?.fill(0);
    let row = 0;
    let want = 0;
    for (const [index, segment] of segments.entries()) {
      tokens.set(segment.tokens, row);
      positions.set(segment.positions, row);
      const inputs = pass.segments[index] as AnyInputs;
      inputs.fill(segment);
      for (const own of segment.wanted) {
        if (wanted !== undefined) wanted[want] = row + own;
        want++;
      }
      row += segment.tokens.length;
    }
    pass.adapted?.fill(segments);
  }
}

/** Every sequence of a pass comes to the end of its graph at another time, and a graph of many is dear: they read further ahead. Not
 *  where a policy observes: its sums are cut to what can be seen. */
function readStep(
  segment: Pick<Segment, "store" | "stepRow" | "reader" | "branches" | "tokens">,
  segments: number,
): number {
  const { store, stepRow, reader, branches, tokens } = segment;
  const observed = stepRow === true || reader !== undefined || store.watchesSums;
  // Branches write many entries a pass, drafts come in all lengths, and what a row does not see costs it next to nothing.
  const isOne = segments === 1 && branches === undefined && (tokens.length === 1 || tokens.length > mostDraftRows);
  return isOne || observed ? slotStep : 4 * slotStep;
}

function attend(
  segments: readonly Segment[],
  inputs: readonly AnyInputs[],
  layer: number,
  queries: Tensor,
  keys: Tensor,
  values: Tensor,
  options: AttendOptions,
): Tensor {
  const { unrotated } = options;
  let start = 0;
  let result: Tensor | undefined;
  for (const [index, { tokens }] of segments.entries()) {
    const rows = tokens.length;
    const from = start;
    const own = (x: Tensor): Tensor => (segments.length === 1 ? x : x.slice(0, from, rows)).permute(1, 0, 2);
    const ownOptions: AttendOptions = {
      ...options,
      unrotated:
        unrotated &&
        (() => {
          const { queries: plainQueries, keys: plainKeys, rotate } = unrotated();
          return { queries: own(plainQueries), keys: own(plainKeys), rotate };
        }),
    };
    const flat = (inputs[index] as AnyInputs).attend(layer, own(queries), own(keys), own(values), ownOptions);
    result = result === undefined ? flat : result.concat(flat, 0);
    start += rows;
  }
  return result as Tensor;
}

function attendStored(
  segments: readonly Segment[],
  inputs: readonly AnyInputs[],
  layer: number,
  queries: Tensor,
  options: AttendOptions,
): Tensor {
  let start = 0;
  let result: Tensor | undefined;
  for (const [index, { tokens }] of segments.entries()) {
    const own = inputs[index];
    if (!(own instanceof SegmentInputs))
      throw new QuireError("unsupported", "Rows that read views go through all layers.");
    const part = segments.length === 1 ? queries : queries.slice(0, start, tokens.length);
    const flat = own.attendStored(layer, part.permute(1, 0, 2), options);
    result = result === undefined ? flat : result.concat(flat, 0);
    start += tokens.length;
  }
  return result as Tensor;
}

/** Shows each reader the state of its own rows; after the last layer only rows whose logits are wanted are left. */
function showLayer(
  segments: readonly Segment[],
  inputs: readonly AnyInputs[],
  rows: number,
  layer: number,
  x: Tensor,
): void {
  const isWhole = x.size(0) === rows;
  let start = 0;
  for (const [index, { tokens, wanted }] of segments.entries()) {
    const count = isWhole ? tokens.length : wanted.length;
    if (count > 0) inputs[index]?.reading?.watchLayer(layer, x.slice(0, start, count));
    start += count;
  }
}
