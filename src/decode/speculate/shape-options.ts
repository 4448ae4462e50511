import { z } from "zod";

/** Options that say how large a tree is. */

/** Rows of one call, the newest token included. */
export const rowLimit = 512;

/** "3-2-1": children of every node, level by level. */
export function branchesOption(usual: string) {
  return z
    .string()
    .or(z.number())
    .refine((text) => {
      const branches = branchesOf(text);
      return branches.length > 0 && branches.every((count) => Number.isInteger(count) && count >= 1);
    }, "must be whole numbers of at least 1, joined by -")
    .refine((text) => nodesOf(branchesOf(text)) < rowLimit, `makes more than the ${rowLimit} rows of a call`)
    .default(usual)
    .describe("children of every node, level by level, such as 3-2-1");
}

export function branchesOf(text: string | number): number[] {
  return String(text).split("-").map(Number);
}

/** Nodes of a tree without its root. */
export function nodesOf(branches: readonly number[]): number {
  let level = 1;
  let sum = 0;
  for (const count of branches) {
    level *= count;
    sum += level;
  }
  return sum;
}
