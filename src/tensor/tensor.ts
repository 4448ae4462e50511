import type { Device } from "./device.js";
import type { DType } from "./dtype.js";
import type { Graph } from "./graph.js";
import * as attention from "./ops/attention.js";
import * as compare from "./ops/compare.js";
import * as elementwise from "./ops/elementwise.js";
import * as gated from "./ops/gated.js";
import * as index from "./ops/index-ops.js";
import * as loss from "./ops/loss.js";
import * as matmul from "./ops/matmul.js";
import * as norm from "./ops/norm.js";
import * as reduce from "./ops/reduce.js";
import * as select from "./ops/select.js";
import * as shaping from "./ops/shaping.js";
import * as triangle from "./ops/triangle.js";
import { contiguousStrides, elements, type Shape, sizeBytes } from "./shape.js";

/** A tensor: an address in ggml's memory with shape, type and origin. Operations are methods; each checks its operands and throws,
 *  because ggml would end the process. The functions behind the methods lie in ops/, one file a group. */

/** Gradients of the inputs given the gradient of the output, written with the same operations (see autodiff). A string says
 *  why there is none. Gradients are f32 and contiguous, whatever the tensor they belong to. `wanted` says which inputs' gradients
 *  will be used; the others may be left out. */
export type Gradient = string | ((outputGradient: Tensor, wanted: readonly boolean[]) => (Tensor | undefined)[]);

export interface TensorOwner {
  readonly open: boolean;
  readonly device?: Device;
  /** Matrices lie in an order that only products understand. */
  readonly repacked?: boolean;
}

export interface TensorFields {
  readonly pointer: number;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly strides?: readonly number[];
  readonly name: string;
  readonly owner: TensorOwner;
  readonly graph?: Graph;
  readonly op?: string;
  readonly inputs?: readonly Tensor[];
  readonly gradient?: Gradient;
  /** The stored tensor of which this is the graph's alias. */
  readonly source?: Tensor;
  /** The tensor whose memory this is a view of, and the distance from its start in bytes. */
  readonly root?: Tensor;
  readonly offset?: number;
  readonly product?: (x: Tensor) => Tensor;
}

export class Tensor {
  readonly pointer: number;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly owner: TensorOwner;
  readonly graph: Graph | undefined;
  readonly op: string | undefined;
  #inputs: readonly Tensor[];
  #gradient: Gradient | undefined;
  readonly source: Tensor | undefined;
  readonly root: Tensor | undefined;
  readonly offset: number;
  /** How products x · thisᵀ are made where not in the plain way: with an adapter beside it, or a gradient of its own. */
  readonly product: ((x: Tensor) => Tensor) | undefined;
  name: string;

  constructor(fields: TensorFields) {
    this.pointer = fields.pointer;
    this.dtype = fields.dtype;
    this.shape = fields.shape;
    this.strides = fields.strides ?? contiguousStrides(fields.dtype, fields.shape);
    this.name = fields.name;
    this.owner = fields.owner;
    this.graph = fields.graph;
    this.op = fields.op;
    this.#inputs = fields.inputs ?? [];
    this.#gradient = fields.gradient;
    this.source = fields.source;
    this.root = fields.root;
    this.offset = fields.offset ?? 0;
    this.product = fields.product;
  }

  /** What it was made of; empty once its graph is compiled. */
  get inputs(): readonly Tensor[] {
    return this.#inputs;
  }
  get gradient(): Gradient | undefined {
    return this.#gradient;
  }
  forgetHistory(): void {
    this.#inputs = [];
    this.#gradient = undefined;
  }

  get rank(): number {
    return this.shape.length;
  }
  get elements(): number {
    return elements(this.shape);
  }
  get sizeBytes(): number {
    return sizeBytes(this.dtype, this.shape);
  }
  /** Size along an axis; negative axes count from the back. */
  size(axis: number): number {
    return this.shape.at(axis) ?? 1;
  }

  // elementwise; the other operand is repeated to fit this one
  add(other: Tensor): Tensor {
    return elementwise.add(this, other);
  }
  sub(other: Tensor): Tensor {
    return elementwise.sub(this, other);
  }
  mul(other: Tensor): Tensor {
    return elementwise.mul(this, other);
  }
  div(other: Tensor): Tensor {
    return elementwise.div(this, other);
  }
  /** x · factor + bias */
  scale(factor: number, bias = 0): Tensor {
    return elementwise.scale(this, factor, bias);
  }
  /** The larger of the two, element by element. */
  max(other: Tensor): Tensor {
    return compare.elementMax(this, other);
  }
  min(other: Tensor): Tensor {
    return compare.elementMin(this, other);
  }
  clamp(min: number, max: number): Tensor {
    return elementwise.clamp(this, min, max);
  }
  unary(name: elementwise.UnaryName): Tensor {
    return elementwise.unary(name, this);
  }
  silu(): Tensor {
    return this.unary("silu");
  }
  gelu(): Tensor {
    return this.unary("gelu");
  }
  geluErf(): Tensor {
    return this.unary("gelu_erf");
  }
  relu(): Tensor {
    return this.unary("relu");
  }
  sigmoid(): Tensor {
    return this.unary("sigmoid");
  }
  tanh(): Tensor {
    return this.unary("tanh");
  }
  exp(): Tensor {
    return this.unary("exp");
  }
  log(): Tensor {
    return this.unary("log");
  }
  sqr(): Tensor {
    return this.unary("sqr");
  }
  sqrt(): Tensor {
    return this.unary("sqrt");
  }
  neg(): Tensor {
    return this.unary("neg");
  }
  abs(): Tensor {
    return this.unary("abs");
  }
  softplus(): Tensor {
    return this.unary("softplus");
  }
  /** 1 where x > 0, else 0. */
  step(): Tensor {
    return this.unary("step");
  }
  geluTanh(): Tensor {
    return elementwise.geluTanh(this);
  }
  sin(): Tensor {
    return this.unary("sin");
  }
  cos(): Tensor {
    return this.unary("cos");
  }

  // gated activations: rows hold gate and value one after the other, or `up` is given apart
  swiglu(up?: Tensor): Tensor {
    return gated.gatedUnit("swiglu", this, up);
  }
  geglu(up?: Tensor): Tensor {
    return gated.gatedUnit("geglu", this, up);
  }

  // norms, along the last axis
  rmsNorm(epsilon: number): Tensor {
    return norm.rmsNorm(this, epsilon);
  }
  layerNorm(epsilon: number): Tensor {
    return norm.layerNorm(this, epsilon);
  }
  l2Norm(epsilon: number): Tensor {
    return norm.l2Norm(this, epsilon);
  }

  // products
  /** x · weightᵀ: [..., n, k] with weight [..., m, k] gives [..., n, m]. */
  linear(weight: Tensor): Tensor {
    return matmul.linear(this, weight);
  }
  /** x · other: [..., n, k] with [..., k, m] gives [..., n, m]. */
  matmul(other: Tensor): Tensor {
    return matmul.matmul(this, other);
  }
  /** otherᵀ · x: [..., n, m] with [..., n, p] gives [..., p, m]. */
  outerSum(other: Tensor): Tensor {
    return matmul.outerSum(this, other);
  }

  // attention
  softmax(options: attention.SoftmaxOptions = {}): Tensor {
    return attention.softmax(this, options);
  }
  rope(positions: Tensor, options: attention.RopeOptions): Tensor {
    return attention.rope(this, positions, options);
  }
  flashAttention(keys: Tensor, values: Tensor, options: attention.FlashAttentionOptions): Tensor {
    return attention.flashAttention(this, keys, values, options);
  }

  // reductions
  sum(): Tensor {
    return reduce.sum(this);
  }
  /** Along the last axis, which stays with size 1. */
  sumRows(): Tensor {
    return reduce.sumRows(this);
  }
  mean(): Tensor {
    return reduce.mean(this);
  }
  cumsum(): Tensor {
    return reduce.cumsum(this);
  }
  logSumExp(): Tensor {
    return loss.logSumExp(this);
  }
  /** Mean loss of these logits [n, classes] against i32 targets [n]. */
  crossEntropy(targets: Tensor, weights?: Tensor): Tensor {
    return loss.crossEntropy(this, targets, weights);
  }
  argmax(): Tensor {
    return reduce.argmax(this);
  }

  // shapes; reshape, slice, permute and transpose are views and copy nothing
  reshape(...shape: number[]): Tensor {
    return shaping.reshape(this, shape);
  }
  slice(axis: number, start: number, length: number): Tensor {
    return shaping.slice(this, axis, start, length);
  }
  /** [..., a·b] to [..., a, b] */
  splitLast(count: number): Tensor {
    return shaping.splitLast(this, count);
  }
  /** Axes in their new order, as in PyTorch: x.permute(1, 0, 2). */
  permute(...axes: number[]): Tensor {
    return shaping.permute(this, axes);
  }
  /** Swaps the last two axes. */
  transpose(): Tensor {
    return shaping.transpose(this);
  }
  cont(): Tensor {
    return shaping.cont(this);
  }
  cast(dtype: DType): Tensor {
    return shaping.cast(this, dtype);
  }
  concat(other: Tensor, axis: number): Tensor {
    return shaping.concat(this, other, axis);
  }
  repeat(...shape: number[]): Tensor {
    return shaping.repeat(this, shape);
  }
  roll(axis: number, shift: number): Tensor {
    return shaping.roll(this, axis, shift);
  }
  triangle(part: triangle.TrianglePart): Tensor {
    return triangle.triangle(this, part);
  }
  /** Zeros before and after, per axis of `shape`. */
  pad(before: readonly number[], after: readonly number[]): Tensor {
    return shaping.pad(this, before, after);
  }

  // indices
  /** Rows by number: [n, k] with i32 [r] gives f32 [r, k]. */
  getRows(indices: Tensor): Tensor {
    return index.getRows(this, indices);
  }
  /** Writes rows into this stored tensor; the result must be made an effect or an operand of what reads it. */
  setRows(indices: Tensor, rows: Tensor): Tensor {
    return index.setRows(this, indices, rows);
  }
  /** Writes this into stored memory, or a view of it, like `setRows`. */
  copyInto(target: Tensor): Tensor {
    return index.copyInto(this, target);
  }
  /** Adds these rows up by number into [count, k], starting from 0. */
  scatterAdd(indices: Tensor, count: number): Tensor {
    return index.scatterAdd(this, indices, count);
  }
  /** Elements of each row by number: [..., c] with i32 [..., k] gives [..., k]. */
  gather(indices: Tensor): Tensor {
    return select.gather(this, indices);
  }
  /** The k largest elements of each row, and their numbers. */
  topK(k: number): { values: Tensor; indices: Tensor } {
    return select.topK(this, k);
  }
  rowMax(): Tensor {
    return select.rowMax(this);
  }
  /** These i32 numbers as rows of 0 with a single 1. */
  oneHot(classes: number): Tensor {
    return select.oneHot(this, classes);
  }
  argsort(order: "ascending" | "descending"): Tensor {
    return index.argsort(this, order);
  }
}
