import { QuireError } from "../errors.js";
import { describe, isContiguous } from "./check.js";
import type { Device } from "./device.js";
import { type DType, dtypes } from "./dtype.js";
import { ggml } from "./ffi/ggml.js";
import { checkIndices } from "./indices.js";
import { Numerics } from "./numerics.js";
import { checkShape, elements, ggmlSizes, type Shape } from "./shape.js";
import { type Gradient, Tensor, type TensorOwner } from "./tensor.js";

/** A graph is built once for a shape, compiled once (its intermediate results share one arena), and run many times with other
 *  inputs. Inputs live in memory of their own, so what was written stays from run to run. */

export interface NodeSpec {
  readonly op: string;
  readonly inputs: readonly Tensor[];
  readonly dtype: DType;
  readonly shape: Shape;
  /** Bytes, outermost first; left out = contiguous. */
  readonly strides?: readonly number[];
  /** The result is a view of the first input, beginning so many bytes after its start. */
  readonly viewOffset?: number;
  /** Calls ggml with the graph's context and returns the new tensor's address. Everything was checked before. */
  readonly build: (context: number) => number;
  readonly gradient: Gradient;
}

/** Products of training, of many rows. "f32": by the fastest exact way. "bf16": in half of the bits, added up in f32: nearly twice as
 *  fast where the processor knows it, with errors of 0.2 %. */
export type ProductType = "f32" | "bf16";

export type HostArray = Float32Array | Int32Array | BigInt64Array | Uint16Array | Uint8Array;

const maxInputs = 1023;

export class Graph {
  readonly device: Device;
  readonly maxNodes: number;
  /** How `linear` multiplies f32 matrices; left out, as ggml does. */
  readonly products: ProductType | undefined;
  #context: number;
  #graphContext = 0;
  #inputContext: number;
  #inputBuffer = 0;
  #nodes = 0;
  readonly #inputs: Tensor[] = [];
  /** What must be computed, in the order given: results and writes into storages. */
  readonly #targets: Tensor[] = [];
  readonly #outputs: Tensor[] = [];
  /** Results that, where the targets need them, are computed before the rest, in this order. */
  readonly #early: Tensor[] = [];
  readonly #host = new Map<Tensor, HostArray>();
  readonly #constants: [Tensor, HostArray][] = [];
  /** Index tensors that lie in inputs, with the number that each index must stay below. */
  readonly #indexRanges = new Map<Tensor, number>();
  /** Stored tensors in use, by owner: what they lie in must be open at each run. */
  readonly #owners = new Set<TensorOwner>();
  readonly #leaves = new Set<number>();
  #numerics: Numerics | undefined;
  #graph = 0;
  #allocator = 0;
  #running = false;

  constructor(device: Device, options: { maxNodes?: number; products?: ProductType } = {}) {
    const g = ggml();
    this.device = device;
    this.products = options.products;
    this.maxNodes = options.maxNodes ?? 8192;
    if (!Number.isInteger(this.maxNodes) || this.maxNodes < 1 || this.maxNodes > 2 ** 20) {
      throw new QuireError("bad-option", "maxNodes cannot be used.", { got: this.maxNodes, expected: "1 to 1048576" });
    }
    // A few operations make two tensors.
    this.#context = g.init((2 * this.maxNodes + 2) * g.ggml_tensor_overhead());
    this.#inputContext = g.init((maxInputs + 1) * g.ggml_tensor_overhead());
    if (process.env["QUIRE_CHECK_NUMERICS"] === "1") this.#numerics = new Numerics();
  }

  get open(): boolean {
    return this.#context !== 0;
  }

  get compiled(): boolean {
    return this.#graph !== 0;
  }

  get nodes(): number {
    return this.#nodes;
  }

  /** Bytes of intermediate results and inputs. */
  get sizeBytes(): number {
    const g = ggml();
    const arena = this.#allocator === 0 ? 0 : g.ggml_gallocr_get_buffer_size(this.#allocator, 0);
    return arena + (this.#inputBuffer === 0 ? 0 : g.ggml_backend_buffer_get_size(this.#inputBuffer));
  }

  /** A tensor that is filled before runs, through `host` (in place) or `write`. */
  input(name: string, dtype: DType, shape: Shape): Tensor {
    this.#mustBeOpen();
    checkShape(`input ${name}`, dtype, shape);
    if (this.#inputs.length >= maxInputs)
      throw new QuireError("bad-input", `A graph takes at most ${maxInputs} inputs.`);
    const g = ggml();
    const pointer = g.ggml_new_tensor_4d(this.#inputContext, dtypes[dtype].id, ...ggmlSizes(shape));
    g.ggml_set_input(pointer);
    const tensor = new Tensor({ pointer, dtype, shape, name, owner: this, graph: this });
    this.#inputs.push(tensor);
    return tensor;
  }

  /** An input that holds these values from the start and need not be written: f32, i32 or i64, by the kind of array. */
  constant(values: Float32Array | Int32Array | BigInt64Array, shape: Shape = [values.length], name = ""): Tensor {
    const dtype = values instanceof Float32Array ? "f32" : values instanceof Int32Array ? "i32" : "i64";
    checkShape("constant", dtype, shape);
    if (elements(shape) !== values.length) {
      throw new QuireError("bad-shape", "constant: the values do not fill the shape.", {
        got: values.length,
        expected: elements(shape),
      });
    }
    const tensor = this.input(name, dtype, shape);
    this.#constants.push([tensor, values.slice()]);
    return tensor;
  }

  /** f32 [count]: start, start + step, … */
  range(count: number, start = 0, step = 1): Tensor {
    checkShape("range", "f32", [count]);
    const stop = start + step * (count - 0.5);
    if (
      !Number.isFinite(stop) ||
      !(step > 0) ||
      Math.ceil((Math.fround(stop) - Math.fround(start)) / Math.fround(step)) !== count
    ) {
      throw new QuireError("bad-option", "range: the numbers cannot be told apart in f32.", {
        got: [start, step, count],
      });
    }
    return this.node({
      op: "range",
      inputs: [],
      dtype: "f32",
      shape: [count],
      build: (context) => ggml().ggml_arange(context, start, stop, step),
      gradient: () => [],
    });
  }

  /** The same tensor, as an operand that brings this graph along: needed where an operation has only stored tensors. */
  use(tensor: Tensor): Tensor {
    return tensor.graph === this ? tensor : new Tensor({ ...tensor, owner: tensor.owner, graph: this, source: tensor });
  }

  node(spec: NodeSpec): Tensor {
    this.#mustBeOpen();
    const { op, inputs, dtype, shape, strides, gradient, viewOffset } = spec;
    for (const input of inputs) this.#takeOperand(op, input);
    checkShape(op, dtype, shape);
    this.#nodes++;
    if (this.#nodes >= this.maxNodes) {
      throw new QuireError("bad-input", `The graph has more than ${this.maxNodes} operations.`, {
        fix: "Raise maxNodes.",
      });
    }
    const pointer = spec.build(this.#context);
    const viewed = viewOffset === undefined ? undefined : inputs[0];
    const root = viewed === undefined ? undefined : (viewed.root ?? viewed.source ?? viewed);
    const offset = (viewed?.offset ?? 0) + (viewOffset ?? 0);
    const own = {
      pointer,
      dtype,
      shape,
      strides,
      op,
      inputs,
      gradient,
      root,
      offset,
      name: "",
      owner: this,
      graph: this,
    };
    const tensor = new Tensor(own);
    this.#numerics?.watch(tensor);
    return tensor;
  }

  /** Results of this graph need no checks but one; a graph of many sequences has thousands. */
  #takeOperand(op: string, operand: Tensor): void {
    const { owner, graph, name, pointer } = operand;
    if (graph !== undefined && graph !== this)
      throw new QuireError("bad-input", `${op}: its operands belong to two graphs.`);
    if (owner === this) return;
    if (!owner.open) throw new QuireError("bad-input", `${op}: ${name || "an operand"} was freed.`);
    if (owner.device !== undefined && owner.device !== this.device)
      throw new QuireError("bad-input", `${op}: ${name || "an operand"} lies on another device.`);
    if (owner.repacked === true && op !== "linear" && op !== "linearExperts") {
      throw new QuireError("unsupported", `${op}: ${name} is stored repacked and serves products only.`, {
        got: describe(operand),
      });
    }
    this.#owners.add(owner);
    this.#leaves.add(pointer);
  }

  /** Makes `run` check that every index in `indices`, which lies in an input, is at least 0 and below `below`. */
  requireIndices(indices: Tensor, below: number): void {
    this.#indexRanges.set(indices, Math.min(below, this.#indexRanges.get(indices) ?? below));
  }

  /** Marks a result that is read after a run. */
  output(tensor: Tensor, name = tensor.name): Tensor {
    this.#mustBeOpen();
    this.#mustBeMine("output", tensor);
    if (!isContiguous(tensor)) {
      throw new QuireError("bad-shape", "output: the tensor's elements do not lie in order.", {
        got: describe(tensor),
        fix: "Mark tensor.cont() as the output.",
      });
    }
    ggml().ggml_set_output(tensor.pointer);
    this.#outputs.push(tensor);
    this.#targets.push(tensor);
    tensor.name = name;
    return tensor;
  }

  /** Marks a node that has an effect (a write into a storage) and must run, in the order of these calls. */
  effect(tensor: Tensor): void {
    this.#mustBeOpen();
    this.#mustBeMine("effect", tensor);
    this.#targets.push(tensor);
  }

  /** If a target needs this result, it is computed in the order of these calls and before what was not named: a gradient is used up
   *  soon after it was made, so that its memory is free again. */
  early(tensor: Tensor): void {
    this.#early.push(tensor);
  }

  /** Lays out memory. Needs at least one output or effect; afterwards nothing can be added. */
  compile(): this {
    this.#mustBeOpen();
    if (this.#targets.length === 0)
      throw new QuireError("bad-input", "The graph computes nothing: mark an output first.");
    try {
      this.#layOut();
    } catch (error) {
      this.close();
      throw error;
    }
    for (const [tensor, values] of this.#constants) this.write(tensor, values);
    // Nothing can be differentiated any more; kept graphs would else keep the wrappers of all their nodes alive.
    for (const tensor of [...this.#targets, ...this.#early]) tensor.forgetHistory();
    return this;
  }

  #layOut(): void {
    const g = ggml();
    const size = 2 * this.#nodes + this.#leaves.size + this.#inputs.length + 16;
    this.#graphContext = g.init(g.ggml_graph_overhead_custom(size, false) + g.ggml_tensor_overhead());
    this.#graph = g.ggml_new_graph_custom(this.#graphContext, size, false);
    const needed = this.#early.length > 0 || this.#numerics !== undefined ? ancestors(this.#targets) : undefined;
    if (needed !== undefined) {
      this.#numerics?.flag(needed);
      for (const tensor of this.#early)
        if (needed.has(tensor)) g.ggml_build_forward_expand(this.#graph, tensor.pointer);
    }
    for (const target of this.#targets) g.ggml_build_forward_expand(this.#graph, target.pointer);
    this.#checkSupport();
    if (this.#inputs.length > 0) {
      this.#inputBuffer = g.ggml_backend_alloc_ctx_tensors_from_buft(this.#inputContext, this.device.bufferType);
      if (this.#inputBuffer === 0) throw this.#noRoom();
      g.ggml_backend_buffer_clear(this.#inputBuffer, 0);
    }
    this.#allocator = g.ggml_gallocr_new(this.device.bufferType);
    if (!g.ggml_gallocr_alloc_graph(this.#allocator, this.#graph)) throw this.#noRoom();
  }

  /** The memory of an input or output: in place where the device's memory is the host's, else a copy that `run` moves. */
  host<Kind extends HostArray = Float32Array>(tensor: Tensor): Kind {
    this.#mustBeCompiled();
    let array = this.#host.get(tensor);
    if (array === undefined) {
      if (!this.#inputs.includes(tensor) && !this.#outputs.includes(tensor)) {
        throw new QuireError("bad-input", "Only inputs and outputs of a graph can be read and written.");
      }
      const g = ggml();
      const buffer = this.device.isHost
        ? g.memory(g.ggml_get_data(tensor.pointer), tensor.sizeBytes)
        : new ArrayBuffer(tensor.sizeBytes);
      array = viewAs(tensor.dtype, buffer);
      this.#host.set(tensor, array);
    }
    return array as Kind;
  }

  write(tensor: Tensor, values: HostArray): void {
    const target = this.host<HostArray>(tensor);
    if (values.constructor !== target.constructor || values.length !== target.length) {
      throw new QuireError("bad-shape", `${tensor.name}: the values do not fit.`, {
        got: `${values.constructor.name} of ${values.length}`,
        expected: `${target.constructor.name} of ${target.length}`,
      });
    }
    (target as Float32Array).set(values as Float32Array);
  }

  async run(signal?: AbortSignal): Promise<void> {
    this.#checkRun();
    this.#running = true;
    try {
      if (!this.device.isHost) this.#move(this.#inputs, "to-device");
      await this.device.compute(this.#graph, signal);
      if (!this.device.isHost) this.#move(this.#outputs, "to-host");
      this.#numerics?.check();
    } finally {
      this.#running = false;
    }
  }

  /** Runs at once, and the event loop waits: for small graphs, within `device.exclusive`. */
  runNow(): void {
    this.#checkRun();
    if (!this.device.isHost) this.#move(this.#inputs, "to-device");
    this.device.computeNow(this.#graph);
    if (!this.device.isHost) this.#move(this.#outputs, "to-host");
    this.#numerics?.check();
  }

  #checkRun(): void {
    this.#mustBeCompiled();
    if (this.#running)
      throw new QuireError("bad-input", "The graph is running already.", { fix: "Await run() before the next." });
    for (const owner of this.#owners) {
      if (!owner.open) throw new QuireError("bad-input", "A stored tensor that the graph uses was freed.");
    }
    for (const [indices, below] of this.#indexRanges)
      checkIndices(indices, this.#host.get(indices.root ?? indices), below);
  }

  /** Frees the graph; tensors of it cannot be used afterwards. */
  close(): void {
    if (this.#context === 0) return;
    if (this.#running) throw new QuireError("bad-input", "The graph is running and cannot be closed.");
    const g = ggml();
    if (this.#allocator !== 0) g.ggml_gallocr_free(this.#allocator);
    if (this.#inputBuffer !== 0) g.ggml_backend_buffer_free(this.#inputBuffer);
    g.ggml_free(this.#context);
    g.ggml_free(this.#inputContext);
    if (this.#graphContext !== 0) g.ggml_free(this.#graphContext);
    this.#context = 0;
    this.#graph = 0;
    this.#host.clear();
  }

  #move(tensors: readonly Tensor[], direction: "to-device" | "to-host"): void {
    const g = ggml();
    for (const tensor of tensors) {
      const array = direction === "to-host" ? this.host<HostArray>(tensor) : this.#host.get(tensor);
      if (array === undefined) continue;
      const copy = direction === "to-device" ? g.ggml_backend_tensor_set : g.ggml_backend_tensor_get;
      copy(tensor.pointer, array, 0, array.byteLength);
    }
  }

  #checkSupport(): void {
    const g = ggml();
    const count = g.ggml_graph_n_nodes(this.#graph);
    for (let index = 0; index < count; index++) {
      const node = g.ggml_graph_node(this.#graph, index);
      if (!g.ggml_backend_supports_op(this.device.backend, node)) {
        throw new QuireError(
          "unsupported",
          `${this.device.info.name} cannot compute operation ${index} of the graph.`,
          {
            fix: 'Use device "cpu".',
          },
        );
      }
    }
  }

  #noRoom(): QuireError {
    return new QuireError("native", `${this.device.info.name} has no room for the graph's intermediate results.`, {
      fix: "Use fewer rows in a pass, a shorter context or a smaller model.",
    });
  }

  #mustBeMine(what: string, tensor: Tensor): void {
    if (tensor.owner !== this)
      throw new QuireError("bad-input", `${what}: ${tensor.name || "the tensor"} is not a result of this graph.`);
  }

  #mustBeOpen(): void {
    if (this.#context === 0) throw new QuireError("bad-input", "The graph was closed.");
    if (this.#graph !== 0) throw new QuireError("bad-input", "The graph is compiled; nothing can be added.");
  }

  #mustBeCompiled(): void {
    if (this.#context === 0) throw new QuireError("bad-input", "The graph was closed.");
    if (this.#graph === 0) throw new QuireError("bad-input", "The graph is not compiled yet.");
  }
}

/** Everything on which the targets depend, themselves included. */
function ancestors(targets: readonly Tensor[]): Set<Tensor> {
  const reached = new Set<Tensor>();
  const open = [...targets];
  for (let tensor = open.pop(); tensor !== undefined; tensor = open.pop()) {
    if (reached.has(tensor)) continue;
    reached.add(tensor);
    open.push(...tensor.inputs);
  }
  return reached;
}

function viewAs(dtype: DType, buffer: ArrayBuffer): HostArray {
  if (dtype === "f32") return new Float32Array(buffer);
  if (dtype === "i32") return new Int32Array(buffer);
  if (dtype === "i64") return new BigInt64Array(buffer);
  if (dtype === "f16" || dtype === "bf16") return new Uint16Array(buffer);
  return new Uint8Array(buffer);
}
