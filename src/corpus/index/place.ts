/** Where an index lies: a folder, or an address of an object store (s3://bucket/docs, gs://, az://), which LanceDB reads and writes
 *  itself. What only this machine needs, as the writer's lock, then lies in the cache folder. */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { cacheFolder } from "../../weights/cache-folder.js";

export function isAddress(place: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(place);
}

/** The folder itself, or the one on this machine that stands beside an address. */
export function localFolder(place: string): string {
  if (!isAddress(place)) return place;
  return join(cacheFolder(), "corpora", `remote-${createHash("sha256").update(place).digest("hex").slice(0, 24)}`);
}
