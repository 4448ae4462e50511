/** Cache policies: the interface and the parts, for use and for writing your own. */
export { cake } from "./cake.js";
export { chelsea } from "./chelsea.js";
export { chunkllm } from "./chunkllm.js";
export { full } from "./full.js";
export { h2o } from "./h2o.js";
export { lazyEviction } from "./lazy-eviction.js";
export { longheads } from "./longheads.js";
export * from "./policy.js";
export { random } from "./random.js";
export type * from "./reading/layer-reading.js";
export { snapkv } from "./snapkv.js";
export { spatten } from "./spatten.js";
export { window } from "./window.js";
