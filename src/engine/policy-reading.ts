import type { PolicyRun } from "../cache/policy.js";
import type { LayerReading, LayerState, PassState } from "../cache/reading/layer-reading.js";
import type { KeyValueStore } from "../cache/store/key-values.js";
import { QuireError } from "../errors.js";
import type { AttendOptions } from "../models/architecture.js";
import type { Graph, HostArray } from "../tensor/graph.js";
import { sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";

/** Attention that a policy builds itself, in one graph and for one sequence: its inputs are filled before every pass, its outputs read
 *  after it. */

/** Who reads; `key` is part of the key of the graph. */
export interface SegmentReader {
  readonly run: PolicyRun;
  readonly key: string;
  readonly promptTokens: number;
}

export interface ReadTensors {
  readonly queries: Tensor;
  readonly keys: Tensor;
  readonly values: Tensor;
  readonly mask: Tensor;
  readonly rawKeys: Tensor | undefined;
  usual(): Tensor;
}

export class PolicyReading {
  readonly #graph: Graph;
  readonly #reader: SegmentReader;
  readonly #name: string;
  readonly #inputs = new Map<string, { tensor: Tensor; fill: (values: HostArray, pass: PassState) => void }>();
  readonly #outputs = new Map<string, Tensor>();
  #failure: unknown;

  constructor(graph: Graph, reader: SegmentReader, name: string) {
    this.#graph = graph;
    this.#reader = reader;
    this.#name = name;
  }

  /** [R, H·D], or undefined where the policy leaves the layer as it is. */
  attend(layer: number, tensors: ReadTensors, { scale, softcap, unrotated }: AttendOptions): Tensor | undefined {
    const { run } = this.#reader;
    if (run.read === undefined) return undefined;
    const { rawKeys } = tensors;
    const plain = unrotated?.();
    const rotated = plain ?? {
      rotate: (): never => {
        throw new QuireError("unsupported", `Layer ${layer} has no rotary positions.`);
      },
    };
    const reading: LayerReading = {
      layer,
      graph: this.#graph,
      queries: tensors.queries,
      keys: tensors.keys,
      values: tensors.values,
      mask: tensors.mask,
      scale,
      softcap,
      raw: rawKeys === undefined || plain === undefined ? undefined : { queries: plain.queries, keys: rawKeys },
      plainQueries: plain?.queries,
      rotate: (x, positions) => rotated.rotate(x, positions),
      usual: tensors.usual,
      ...this.#access(),
    };
    return this.#guard(() => checked(run.read?.(reading), layer, tensors.queries));
  }

  /** An error of the policy is kept for its own sequence: others in the pass go on, and this one reads as usual until it is told. */
  #guard<Result>(work: () => Result): Result | undefined {
    try {
      return work();
    } catch (error) {
      this.#failure ??= error;
      return undefined;
    }
  }

  /** `rows`: the state of this sequence's rows. */
  watchLayer(layer: number, rows: Tensor): void {
    const state: LayerState = { layer, graph: this.#graph, rows, ...this.#access() };
    this.#guard(() => this.#reader.run.watchLayer?.(state));
  }

  fill(store: KeyValueStore, positions: Int32Array): void {
    const pass: PassState = {
      rows: positions.length,
      positions,
      promptTokens: this.#reader.promptTokens,
      slots: (layer, kvHead) => ({
        slots: store.occupied(layer, kvHead),
        positions: store.positionsOf(layer, kvHead),
      }),
    };
    this.#guard(() => {
      for (const { tensor, fill } of this.#inputs.values()) fill(this.#graph.host<HostArray>(tensor), pass);
    });
  }

  /** Throws what the policy threw. */
  outputs(): ReadonlyMap<string, Float32Array> {
    if (this.#failure !== undefined) throw this.#failure;
    return new Map([...this.#outputs].map(([name, tensor]) => [name, this.#graph.host<Float32Array>(tensor)]));
  }

  #access(): Pick<LayerReading, "input" | "output"> {
    return {
      input: (name, dtype, shape, fill) => {
        const found = this.#inputs.get(name);
        if (found !== undefined) return found.tensor;
        const tensor = this.#graph.input(`${this.#name} ${name}`, dtype, shape);
        this.#inputs.set(name, { tensor, fill });
        return tensor;
      },
      output: (name, tensor) => {
        if (this.#outputs.has(name))
          throw new QuireError("bad-input", `A cache policy has two outputs named ${name}.`, { got: name });
        if (tensor.dtype !== "f32")
          throw new QuireError("bad-shape", `The output ${name} of a cache policy is not f32.`, { got: tensor.dtype });
        this.#outputs.set(name, this.#graph.output(tensor, `${this.#name} ${name}`));
      },
    };
  }
}

function checked(result: Tensor | undefined, layer: number, queries: Tensor): Tensor | undefined {
  const [heads = 1, rows = 1, width = 1] = queries.shape;
  if (result === undefined || (result.dtype === "f32" && sameShape(result.shape, [rows, heads * width]))) return result;
  throw new QuireError("bad-shape", `A cache policy read layer ${layer} into a tensor that does not fit.`, {
    got: `${result.dtype} [${result.shape.join(", ")}]`,
    expected: `f32 [${rows}, ${heads * width}]`,
  });
}
