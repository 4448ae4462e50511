import { createHash } from "node:crypto";
import { realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { openReplayLog, type ReplayLog } from "../programs/replay-log.js";
import { cacheFolder } from "../weights/cache-folder.js";

/** Where `quire read` keeps the calls it has made until it is done, so that a run that was stopped goes on. */

export interface ReadLog {
  readonly log: ReplayLog;
  /** The run is done: nothing is left to go on with. */
  remove(): Promise<void>;
}

export async function openReadLog(
  target: string,
  instruction: string,
  modelId: string,
  { fresh = false }: { fresh?: boolean } = {},
): Promise<ReadLog> {
  const root = await realpath(target);
  const name = createHash("sha256")
    .update(JSON.stringify([root, instruction, modelId]))
    .digest("hex")
    .slice(0, 24);
  const path = join(cacheFolder(), "reads", `${name}.jsonl`);
  if (fresh) await rm(path, { force: true });
  const log = await openReplayLog(path);
  return { log, remove: () => rm(path, { force: true }) };
}
