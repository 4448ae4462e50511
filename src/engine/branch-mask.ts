import type { BranchMemory } from "./branch-memory.js";

/** Who sees whom where memory has branches: a row sees its own branch's path, up to itself. */

/** Sets what rows may see in a mask [rows, read] that forbids everything. Row i, at `positions[i]`, continues `of[i]`. `window` > 0: only
 *  the newest `window` positions, its own included. */
export function fillBranches(
  mask: Uint16Array,
  { memory, of, positions }: BranchRows,
  { read, window, allowed }: { read: number; window: number; allowed: number },
): void {
  for (const [row, branch] of of.entries()) {
    const offset = row * read;
    const position = positions[row] as number;
    const oldest = window > 0 ? Math.max(0, position - window + 1) : 0;
    for (const { start, slots: held } of memory.path(branch)) {
      const to = Math.min(held.length, position + 1 - start);
      for (let i = Math.max(0, oldest - start); i < to; i++) mask[offset + (held[i] as number)] = allowed;
      if (start <= oldest) break;
    }
  }
}

export interface BranchRows {
  readonly memory: BranchMemory;
  readonly of: Int32Array;
  readonly positions: Int32Array;
}
