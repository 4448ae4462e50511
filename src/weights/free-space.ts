import { statfs } from "node:fs/promises";
import { QuireError } from "../errors.js";

/** Refuses to begin what the disk cannot hold. Where the free space cannot be known, the write itself will tell. */
export async function needSpace(folder: string, neededBytes: number, what: string): Promise<void> {
  const disk = await statfs(folder).catch(() => undefined);
  if (!disk || disk.blocks === 0) return;
  const free = disk.bavail * disk.bsize;
  if (free >= neededBytes) return;
  throw new QuireError("disk", `${what} needs ${megabytes(neededBytes)}, and ${folder} has ${megabytes(free)} left.`, {
    got: { freeBytes: free },
    expected: { neededBytes },
    fix: "Free some space, or set QUIRE_CACHE to a folder on another disk.",
  });
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
