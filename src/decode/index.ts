/** Decoders: the interface and the parts, for use and for writing your own. */
export { autoregressive } from "./autoregressive.js";
export * from "./decoder.js";
export { hogwild } from "./hogwild.js";
export { independent } from "./independent.js";
export { promptLookup } from "./prompt-lookup.js";
export { treepo } from "./treepo.js";
