import type { EdgeList } from "./compressed-graph.js";
import type { SeededRandom } from "./random.js";

/** Random graphs with a planted tree of communities (binary tree stochastic block model), and the thresholds above which the
 *  communities of a depth can be found exactly. Rates are in units of ln N / N: two nodes whose lowest common group lies at depth t
 *  (0 the whole, d the same leaf) are joined with probability rates[t] · ln N / N. */
export interface BlockTree {
  /** Rates at depths 0..d, growing: there are 2^d leaves. */
  readonly rates: readonly number[];
  readonly nodesPerLeaf: number;
}

/** Every pair by its own chance; skips ahead geometrically, so the time is linear in the edges and the pairs of leaves. */
export function sampleBlockTree(
  { rates, nodesPerLeaf }: BlockTree,
  random: SeededRandom,
): EdgeList & { nodeCount: number; leafOf: Int32Array } {
  const depth = rates.length - 1;
  const leaves = 2 ** depth;
  const nodeCount = leaves * nodesPerLeaf;
  const unit = Math.log(nodeCount) / nodeCount;
  const sources: number[] = [];
  const targets: number[] = [];
  for (let a = 0; a < leaves; a++) {
    for (let b = a; b < leaves; b++) {
      const chance = Math.min(1, rates[commonDepth(a, b, depth)]! * unit);
      const total = nodesPerLeaf ** 2;
      for (let at = skip(chance, random) - 1; at < total; at += skip(chance, random)) {
        const i = Math.floor(at / nodesPerLeaf);
        const j = at % nodesPerLeaf;
        if (a === b && j <= i) continue;
        sources.push(a * nodesPerLeaf + i);
        targets.push(b * nodesPerLeaf + j);
      }
    }
  }
  return {
    nodeCount,
    sources,
    targets,
    leafOf: Int32Array.from({ length: nodeCount }, (_, v) => Math.floor(v / nodesPerLeaf)),
  };
}

function skip(chance: number, random: SeededRandom): number {
  if (chance <= 0) return Infinity;
  if (chance >= 1) return 1;
  return 1 + Math.floor(Math.log(1 - random.uniform()) / Math.log(1 - chance));
}

function commonDepth(a: number, b: number, depth: number): number {
  let up = 0;
  for (let x = a ^ b; x > 0; x >>= 1) up++;
  return depth - up;
}

/** I_q: the 2^q groups at depth q can be found exactly if and only if this is above 1. */
export function recoveryThreshold(rates: readonly number[], q: number): number {
  const d = rates.length - 1;
  const gap = (rate: number): number => (Math.sqrt(rate) - Math.sqrt(rates[q - 1]!)) ** 2;
  let sum = gap(rates[d]!);
  for (let k = q; k < d; k++) sum += 2 ** (d - 1 - k) * gap(rates[k]!);
  return sum / 2 ** d;
}

/** J_q: what splitting from the top by one vector sees, the mean rate inside a group only; it needs this above 1 at q and above. */
export function topDownThreshold(rates: readonly number[], q: number): number {
  const d = rates.length - 1;
  let mean = 2 ** -(d - q) * rates[d]!;
  for (let k = q; k < d; k++) mean += 2 ** -(k - q + 1) * rates[k]!;
  return (Math.sqrt(mean) - Math.sqrt(rates[q - 1]!)) ** 2 / 2 ** q;
}

/** I_q of any tree, in the Chernoff-Hellinger form: rates[a][b] between leaves, their shares of the nodes, their group at depth q. */
export function chernoffHellinger(
  rates: readonly (readonly number[])[],
  shares: readonly number[],
  groupOf: readonly number[],
): number {
  let least = Infinity;
  for (let a = 0; a < shares.length; a++) {
    for (let b = 0; b < a; b++) {
      if (groupOf[a] !== groupOf[b]) least = Math.min(least, largestDivergence(rates[a]!, rates[b]!, shares));
    }
  }
  return least;
}

/** The divergence is concave in t: golden section search. */
function largestDivergence(x: readonly number[], y: readonly number[], shares: readonly number[]): number {
  const at = (t: number): number =>
    shares.reduce((sum, share, c) => sum + share * (t * x[c]! + (1 - t) * y[c]! - x[c]! ** t * y[c]! ** (1 - t)), 0);
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [low, high] = [0, 1];
  for (let step = 0; step < 80; step++) {
    const [left, right] = [high - ratio * (high - low), low + ratio * (high - low)];
    if (at(left) < at(right)) low = left;
    else high = right;
  }
  return at((low + high) / 2);
}
