/** Pure algorithms on graphs, trees and streams of counts: no model, no tensor. */
export * from "./bottom-up-communities.js";
export * from "./compressed-graph.js";
export * from "./dp-continual.js";
export * from "./polygonal-partitions.js";
export * from "./slugger.js";
export * from "./structure.js";
