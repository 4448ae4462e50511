import { gradients } from "./autodiff.js";
import { type DType, dtypes } from "./dtype.js";
import type { Round } from "./fuzz.case.js";
import { causalConvolution, gatedDeltaNet, gatedLinearAttention, gatedScan } from "./ops/recurrent.js";
import { diagonal, diagonalMatrix, solveTriangular } from "./ops/triangle.js";
import type { Tensor } from "./tensor.js";

/** One random call of each operation, for fuzz.case.ts: some with operands that fit, most with what comes along. */

type Operation = (round: Round) => Tensor | undefined | readonly (Tensor | undefined)[];

const unaryNames = [
  "neg",
  "abs",
  "sqr",
  "sqrt",
  "exp",
  "log",
  "sin",
  "tanh",
  "sigmoid",
  "silu",
  "gelu",
  "gelu_erf",
  "gelu_quick",
  "elu",
  "relu",
  "step",
  "softplus",
  "expm1",
  "floor",
  "sgn",
] as const;

export const operations: Record<string, Operation> = {
  add: (r) => pair(r, (a, b) => a.add(b)),
  sub: (r) => pair(r, (a, b) => a.sub(b)),
  mul: (r) => pair(r, (a, b) => a.mul(b)),
  div: (r) => pair(r, (a, b) => a.div(b)),
  scale: (r) => r.tensor().scale(r.number(), r.number()),
  clamp: (r) => r.tensor().clamp(r.number(), r.number()),
  unary: (r) => r.tensor().unary(r.random.pick(unaryNames)),
  swiglu: (r) => r.tensor().swiglu(r.random.chance(0.5) ? r.tensor() : undefined),
  geglu: (r) => {
    const gate = r.tensor();
    return gate.geglu(r.random.chance(0.5) ? gate : undefined);
  },
  rmsNorm: (r) => r.tensor().rmsNorm(r.number()),
  layerNorm: (r) => r.tensor().layerNorm(1e-5),
  l2Norm: (r) => r.tensor().l2Norm(1e-5),
  linear: (r) => pair(r, (a, b) => a.linear(b)),
  outerSum: (r) => pair(r, (a, b) => a.outerSum(b)),
  outerSumRight: (r) => {
    const x = r.tensor();
    const shape = [...x.shape.slice(0, -1), 2];
    const other = r.graph.constant(r.random.array(shape.reduce((a, b) => a * b, 1)), shape);
    return x.outerSum(r.random.chance(0.5) ? other : other.transpose().cont().transpose());
  },
  matmul: (r) => pair(r, (a, b) => a.matmul(b)),
  product: (r) => {
    const weight = r.tensor();
    return r.graph.constant(r.random.array(3 * weight.size(-1)), [3, weight.size(-1)]).linear(weight);
  },
  repackedProduct: (r) => {
    const weight = r.repacked?.tensor("repacked") ?? r.tensor();
    if (r.random.chance(0.2)) return r.graph.use(weight).reshape(-1);
    const shape = [...r.shape(r.random.int(1, 3)), 256];
    const x = r.graph.constant(r.random.array(shape.reduce((product, size) => product * size, 1)), shape);
    const order = r.random.shuffled([...shape.keys()].slice(0, -1));
    return x.permute(...order, shape.length - 1).linear(weight);
  },
  softmax: (r) =>
    r
      .tensor()
      .softmax({ scale: r.random.chance(0.8) ? 1 : r.number(), mask: r.random.chance(0.4) ? r.tensor() : undefined }),
  maskedSoftmax: (r) => {
    const x = r.tensor();
    return x.softmax({
      mask: x
        .slice(0, 0, 1)
        .cont()
        .cast(r.random.pick(["f16", "f32"])),
    });
  },
  rope: (r) => {
    const x = r.tensor();
    const positions = r.random.chance(0.6) ? r.graph.constant(new Int32Array(x.size(-3)), [x.size(-3)]) : r.indices();
    const factors = r.random.chance(0.4) ? r.graph.constant(new Float32Array(r.random.int(1, 4)).fill(1)) : undefined;
    return x.rope(positions, {
      style: r.random.pick(["neox", "pairs"]),
      dims: r.random.chance(0.7) ? 2 * r.random.int(1, 3) : r.smallInt(),
      theta: r.random.chance(0.9) ? 1e4 : r.number(),
      frequencyFactors: factors,
      yarn: r.random.chance(0.3)
        ? { originalContext: 64, extFactor: 1, attnFactor: 1, betaFast: 32, betaSlow: r.number() }
        : undefined,
    });
  },
  flashAttention: (r) => {
    const q = r.tensor();
    const k = r.random.chance(0.4) ? q : r.like(q);
    return q.flashAttention(k, r.random.chance(0.6) ? k : r.tensor(), {
      scale: 1,
      mask: r.random.chance(0.3) ? r.tensor() : undefined,
    });
  },
  attention: (r) => {
    const { random, graph } = r;
    const d = random.pick([1, 3, 8, 16, 32, 64]);
    const kv = random.int(1, 2);
    const entries = random.pick([1, 5, 33, 600]);
    const rows = random.pick([1, 2, 40, 70]);
    const keys = graph.constant(random.array(kv * entries * d, 0.2), [kv, entries, d]);
    const type = random.pick(["f32", "f16", "bf16", "q8_0", "q4_0", "q5_1"] as const);
    const other = random.chance(0.8) ? type : "f16";
    const mask = random.chance(0.5)
      ? graph.constant(new Float32Array(rows * entries), [rows, entries]).cast("f16")
      : undefined;
    const queries = graph.constant(random.array(kv * 2 * rows * d), [rows, kv * 2, d]).permute(1, 0, 2);
    return queries.flashAttention(keys.cast(type), keys.cast(other), {
      scale: 0.3,
      mask,
      softcap: random.pick([0, 20]),
    });
  },
  sum: (r) => r.tensor().sum(),
  sumRows: (r) => r.tensor().sumRows(),
  mean: (r) => r.tensor().mean(),
  cumsum: (r) => r.tensor().cumsum(),
  argmax: (r) => r.tensor().argmax(),
  reshape: (r) => r.tensor().reshape(...r.shape()),
  flatten: (r) => r.tensor().reshape(-1, r.smallInt()),
  slice: (r) => r.tensor().slice(r.smallInt(), r.smallInt(), r.smallInt()),
  sliceInside: (r) => {
    const x = r.tensor();
    const axis = r.random.int(0, x.rank - 1);
    const start = r.random.int(0, x.size(axis) - 1);
    return x.slice(axis, start, r.random.int(1, x.size(axis) - start));
  },
  splitLast: (r) => r.tensor().splitLast(r.smallInt()),
  permute: (r) => {
    const x = r.tensor();
    return x.permute(...r.random.shuffled([...x.shape.keys()]));
  },
  permuteWrongly: (r) => r.tensor().permute(...Array.from({ length: r.random.int(0, 4) }, () => r.smallInt())),
  transpose: (r) => r.tensor().transpose(),
  cont: (r) => r.tensor().cont(),
  cast: (r) => r.tensor().cast(r.random.pick(Object.keys(dtypes) as DType[])),
  castFloat: (r) => r.tensor().cast(r.random.pick(["f32", "f16", "bf16", "i32", "q8_0"])),
  concat: (r) => {
    const a = r.tensor();
    return a.concat(r.random.chance(0.4) ? a : r.like(a), r.random.int(-1, 3));
  },
  repeat: (r) => {
    const x = r.tensor();
    return x.repeat(...x.shape.map((size) => size * r.random.int(1, 2)));
  },
  repeatWrongly: (r) => r.tensor().repeat(...r.shape()),
  pad: (r) => {
    const x = r.tensor();
    return x.pad(
      x.shape.map(() => r.random.int(-1, 3)).map(Math.abs),
      x.shape.map(() => r.smallInt()),
    );
  },
  getRows: (r) => r.tensor().getRows(r.indices()),
  getStoredRows: (r) => {
    const table = r.tensor();
    const batch = table.shape.slice(0, -2);
    const shape = [...batch, 2];
    const count = shape.reduce((product, size) => product * size, 1);
    return table.getRows(
      r.graph.constant(
        Int32Array.from({ length: count }, () => r.random.int(0, table.size(-2) - 1)),
        shape,
      ),
    );
  },
  setRows: (r) => r.tensor().setRows(r.indices(), r.tensor()),
  copyInto: (r) => pair(r, (a, b) => a.copyInto(b)),
  copyIntoRight: (r) => {
    const target = r.tensor();
    return r.like(target).copyInto(target);
  },
  setStoredRows: (r) => {
    const table = r.tensor();
    const shape = [...table.shape.slice(0, -2), 1, table.size(-1)];
    const length = shape.reduce((product, size) => product * size, 1);
    const kind = r.random.chance(0.5) ? new BigInt64Array(1) : new Int32Array(1);
    return table.setRows(r.graph.constant(kind), r.graph.constant(r.random.array(length), shape));
  },
  argsort: (r) => r.tensor().argsort(r.random.pick(["ascending", "descending"])),
  rows: (r) => {
    const x = r.tensor();
    return [x.rowMax(), x.logSumExp(), x.topK(r.smallInt()).values];
  },
  gather: (r) => r.tensor().gather(r.indices()),
  oneHot: (r) => r.indices().oneHot(r.smallInt()),
  scatterAdd: (r) => r.tensor().scatterAdd(r.indices(), r.smallInt()),
  crossEntropy: (r) => r.tensor().crossEntropy(r.indices(), r.random.chance(0.3) ? r.tensor() : undefined),
  triangle: (r) => r.tensor().triangle(r.random.pick(["lower", "upper-diagonal"])),
  diagonal: (r) => [diagonalMatrix(r.tensor()), diagonal(r.tensor())],
  solve: (r) => pair(r, solveTriangular),
  roll: (r) => r.tensor().roll(r.smallInt(), r.smallInt()),
  max: (r) => pair(r, (a, b) => a.max(b)),
  convolution: (r) => causalConvolution(r.tensor(), r.tensor(), r.random.chance(0.3) ? r.tensor() : undefined),
  convolve: (r) => {
    const x = r.tensor();
    const d = x.size(-1);
    return causalConvolution(x, r.graph.constant(r.random.array(2 * d), [d, 2]));
  },
  scan: (r) => pair(r, (a, b) => gatedScan(a, b, r.smallInt())),
  linearAttention: (r) => {
    const x = r.tensor();
    const [b = 1, , h = 1, w = 1] = x.shape;
    const state = r.random.chance(0.8) ? r.graph.constant(r.random.array(b * h * w * w), [b, h, w, w]) : r.tensor();
    const { output, state: next } = gatedLinearAttention(
      { queries: x, keys: x, values: r.like(x), decay: r.like(x), state },
      1,
    );
    return [output, next];
  },
  deltaNet: (r) => {
    const x = r.tensor();
    const [b = 1, n = 1, h = 1, w = 1] = x.shape;
    const state = r.graph.constant(r.random.array(b * h * w * w), [b, h, w, w]);
    const ones = r.random.chance(0.8) ? r.graph.constant(r.random.array(b * n * h), [b, n, h, 1]) : r.tensor();
    const { output } = gatedDeltaNet({ queries: x, keys: x, values: x, logDecay: ones, beta: ones, state });
    return output;
  },
  gradients: (r) => {
    const result = r.tensor();
    const wanted = r.pool.filter((tensor) => tensor.dtype === "f32" && tensor.op === undefined);
    return gradients(result.sum(), r.random.shuffled(wanted).slice(0, 1));
  },
  input: (r) => r.graph.input("fuzz", r.random.pick(Object.keys(dtypes) as DType[]), r.shape()),
  range: (r) => r.graph.range(r.smallInt(), r.number(), r.number()),
};

function pair(round: Round, operation: (a: Tensor, b: Tensor) => Tensor): Tensor {
  const a = round.tensor();
  return operation(a, round.random.chance(0.3) ? a : round.like(a));
}
