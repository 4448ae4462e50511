import { QuireError } from "../../errors.js";

/** Windows over [0, n): `size` long, each `step` further than the one before, the last one cut at n. Half-open ranges, no copies. With
 *  a step of half the size, whatever is no longer than half a window lies whole in at least one. */
export function windows(n: number, size: number, step = size): { start: number; end: number }[] {
  if (!Number.isInteger(size) || size < 1 || !Number.isInteger(step) || step < 1 || step > size) {
    throw new QuireError("bad-option", "Windows of this size and step leave gaps or do not exist.", {
      got: { size, step },
      expected: "whole numbers, 1 <= step <= size",
    });
  }
  const found: { start: number; end: number }[] = [];
  for (let start = 0; start < n; start += step) {
    const end = Math.min(start + size, n);
    found.push({ start, end });
    if (end === n) break;
  }
  return found;
}
