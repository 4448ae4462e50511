/** Decoders: the interface and the parts, for use and for writing your own. */
export { autoregressive } from "./autoregressive.js";
export * from "./decoder.js";
export { hogwild } from "./hogwild.js";
export { promptLookup } from "./prompt-lookup.js";
