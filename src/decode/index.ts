/** Decoders: the interface and the parts, for use and for writing your own. */
export { autoregressive } from "./autoregressive.js";
export { chain } from "./chain.js";
export * from "./decoder.js";
export { hogwild } from "./hogwild.js";
export { independent } from "./independent.js";
export { promptLookup } from "./prompt-lookup.js";
export { rsd } from "./rsd.js";
export { specinfer } from "./specinfer.js";
export { spectr } from "./spectr.js";
export { topKTree } from "./top-k-tree.js";
export { treepo } from "./treepo.js";
