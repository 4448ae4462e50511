import type { MapNode } from "../../corpus/map/map-node.js";
import type { SentError } from "../engine-process/protocol.js";

/** What the process that draws maps is asked, and what it answers. */

export interface MapRequest {
  readonly folder: string;
  readonly indexFolder: string;
  readonly title: string;
  /** Shown names by names on disk; undefined where files bear their own names. */
  readonly names: Readonly<Record<string, string>> | undefined;
}

export type MapReply = { readonly root: MapNode } | { readonly error: SentError };
