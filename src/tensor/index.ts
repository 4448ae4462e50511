/** The tensor layer as a public part: ggml's operations with checks and gradients, graphs, devices, optimisers. */
export { checkpoint, gradients, stopGradient, straightThrough } from "./autodiff.js";
export { Device, type DeviceInfo, type DeviceKind, type DeviceOptions, listDevices } from "./device.js";
export { type DType, dtypes, isQuantised, rowBytes } from "./dtype.js";
export { evaluate } from "./evaluate.js";
export { Graph, type HostArray } from "./graph.js";
export { type FlashAttentionOptions, type RopeOptions, rope, type SoftmaxOptions } from "./ops/attention.js";
export { elementMax, elementMin, equalWhole, greater, where } from "./ops/compare.js";
export type { UnaryName } from "./ops/elementwise.js";
export { crossEntropy, logSumExp, tokenLosses } from "./ops/loss.js";
export { linearExperts } from "./ops/matmul.js";
export {
  causalConvolution,
  gatedDeltaNet,
  gatedLinearAttention,
  gatedScan,
  type RecurrentResult,
} from "./ops/recurrent.js";
export { gather, oneHot, rowMax, topK } from "./ops/select.js";
export { diagonal, diagonalMatrix, solveTriangular, type TrianglePart, triangle } from "./ops/triangle.js";
export { type AdamWOptions, adamW } from "./optim/adamw.js";
export { type Muon, type MuonOptions, muon } from "./optim/muon.js";
export type { Optimizer, OptimizerState } from "./optim/optimizer.js";
export { clipGradients, cosineSchedule, plateauSchedule, type Schedule } from "./optim/schedule.js";
export { type SgdOptions, sgd } from "./optim/sgd.js";
export { RandomStream } from "./random.js";
export type { Shape } from "./shape.js";
export { Storage, type TensorSpec } from "./storage.js";
export { Tensor } from "./tensor.js";
