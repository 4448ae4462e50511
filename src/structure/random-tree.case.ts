import { seededRandom } from "./random.js";

/** Random weighted trees for tests and benches: leaf weights e^u, u uniform in ±skew. */
export function randomTree(
  seed: number,
  leafCount: number,
  skew: number,
  arity = 6,
): { parents: number[]; weights: number[] } {
  const random = seededRandom(seed);
  const parents = [-1];
  const open = [0];
  const leafNodes: number[] = [];
  // Splits a random leaf into 1..arity children until there are enough.
  while (open.length < leafCount) {
    const at = random.below(open.length);
    const node = open[at]!;
    const last = open.pop()!;
    if (at < open.length) open[at] = last;
    const children = Math.min(1 + random.below(arity), leafCount - open.length);
    for (let i = 0; i < children; i++) {
      open.push(parents.length);
      parents.push(node);
    }
  }
  leafNodes.push(...open);
  const weights = new Array<number>(parents.length).fill(0);
  for (const leaf of leafNodes) weights[leaf] = Math.exp((2 * random.uniform() - 1) * skew);
  return { parents, weights };
}
