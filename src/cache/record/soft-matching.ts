/** Bipartite soft matching: entries in chunks, every second one may join its most similar neighbour among the others. Pure numbers;
 *  what comes out are groups of indices. */

export interface Proposal {
  readonly source: number;
  readonly target: number;
  /** Cosine of the two keys; 0 where one has no length. */
  readonly similarity: number;
}

/** For each even place of each chunk the best odd place; of equal ones the later. `entries` are indices of rows of `keys` [E, D]. */
export function proposals(keys: Float32Array, dim: number, entries: readonly number[], chunk: number): Proposal[] {
  const units = unitRows(keys, dim, entries);
  const result: Proposal[] = [];
  for (let start = 0; start < entries.length; start += chunk) {
    const end = Math.min(start + chunk, entries.length);
    if (end - start < 2) break;
    for (let a = start; a < end; a += 2) {
      let best = start + 1;
      let similarity = Number.NEGATIVE_INFINITY;
      for (let b = start + 1; b < end; b += 2) {
        let product = 0;
        for (let d = 0; d < dim; d++) product += (units[a * dim + d] as number) * (units[b * dim + d] as number);
        if (product >= similarity) {
          similarity = product;
          best = b;
        }
      }
      result.push({ source: entries[a] as number, target: entries[best] as number, similarity });
    }
  }
  return result;
}

function unitRows(keys: Float32Array, dim: number, entries: readonly number[]): Float32Array {
  const units = new Float32Array(entries.length * dim);
  for (const [row, entry] of entries.entries()) {
    let square = 0;
    for (let d = 0; d < dim; d++) square += (keys[entry * dim + d] as number) ** 2;
    const scale = square > 0 ? 1 / Math.sqrt(square) : 0;
    for (let d = 0; d < dim; d++) units[row * dim + d] = (keys[entry * dim + d] as number) * scale;
  }
  return units;
}

export interface MatchOptions {
  /** Entries to be left. */
  readonly target: number;
  readonly sinks: number;
  readonly recent: number;
  readonly chunk: number;
  /** Proposals below this cosine are not taken. */
  readonly threshold: number;
  /** "global": the best proposals of all chunks; "perChunk": each chunk gives in proportion to its size. */
  readonly scope: "global" | "perChunk";
}

export interface Clusters {
  /** Index of the target first, then of everything that joined it; only those with more than one. */
  readonly groups: Int32Array[];
  /** Entries left, ascending. */
  readonly living: number[];
  /** Cosine of each join, in the order taken. */
  readonly similarities: number[];
}

/** Rounds of matching until `target` entries are left or nothing more may join. */
export function matchDown(keys: Float32Array, mass: Float32Array, dim: number, options: MatchOptions): Clusters {
  const { target, sinks, recent } = options;
  const centroids = keys.slice();
  const weights = mass.slice();
  const members = new Map<number, number[]>();
  const similarities: number[] = [];
  let living = [...mass.keys()];
  while (living.length > target) {
    const free = living.slice(sinks, living.length - recent);
    const taken = chosen(proposals(centroids, dim, free, options.chunk), living.length - target, free.length, options);
    if (taken.length === 0) break;
    for (const { source, target: into, similarity } of taken) {
      join(centroids, weights, dim, source, into);
      members.set(into, [...(members.get(into) ?? []), source, ...(members.get(source) ?? [])]);
      members.delete(source);
      similarities.push(similarity);
    }
    const gone = new Set(taken.map(({ source }) => source));
    living = living.filter((entry) => !gone.has(entry));
  }
  return {
    groups: [...members].sort(([a], [b]) => a - b).map(([into, joined]) => Int32Array.of(into, ...joined)),
    living,
    similarities,
  };
}

/** The most similar proposals; of equal ones the later. */
function chosen(all: Proposal[], count: number, free: number, { threshold, scope, chunk }: MatchOptions): Proposal[] {
  const order = (a: Proposal, b: Proposal) => b.similarity - a.similarity || b.source - a.source;
  const allowed = all.filter(({ similarity }) => similarity >= threshold);
  if (scope === "global") return allowed.sort(order).slice(0, count);
  const perChunk = Math.ceil(chunk / 2);
  const share = Math.min(1, count / all.length);
  const taken: Proposal[] = [];
  for (let start = 0; start < Math.ceil(free / chunk); start++) {
    const own = all.slice(start * perChunk, (start + 1) * perChunk).filter(({ similarity }) => similarity >= threshold);
    taken.push(...own.sort(order).slice(0, Math.ceil(own.length * share)));
  }
  return taken.sort(order).slice(0, count);
}

/** The target's key becomes the mean of both, each counting for the tokens it stands for. */
function join(keys: Float32Array, mass: Float32Array, dim: number, source: number, target: number): void {
  const [from, into] = [mass[source] as number, mass[target] as number];
  for (let d = 0; d < dim; d++) {
    const mean =
      (into * (keys[target * dim + d] as number) + from * (keys[source * dim + d] as number)) / (into + from);
    keys[target * dim + d] = mean;
  }
  mass[target] = into + from;
}
