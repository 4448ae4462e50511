import type { GraphSummary } from "../../structure/graph-summary.js";

/** The kinds of links between chunks and files. near: of like meaning, or by words where the index has no vectors. cites: links,
 *  imports, names of files. terms: shared rare terms. */
export const linkKinds = ["near", "cites", "terms"] as const;
export type LinkKind = (typeof linkKinds)[number];

export interface KeptGraph {
  /** Of the index it was made from. */
  readonly version: string;
  /** How `near` was found: by all pairs, by cells, or by words. */
  readonly nearBy: "all pairs" | "cells" | "words";
  /** Nodes 0..C-1 are chunks, C..C+F-1 files. */
  readonly links: Readonly<Record<LinkKind, GraphSummary>>;
}
