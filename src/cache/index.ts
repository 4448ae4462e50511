/** Cache policies: the interface and the parts, for use and for writing your own. */
export { full } from "./full.js";
export * from "./policy.js";
export { window } from "./window.js";
