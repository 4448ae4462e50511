/** How far two partitions of the same nodes agree. Labels are only names. */

/** Whether the partitions are equal up to names. */
export function samePartition(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  const [there, back] = [new Map<number, number>(), new Map<number, number>()];
  for (let i = 0; i < a.length; i++) {
    if ((there.get(a[i]!) ?? b[i]) !== b[i] || (back.get(b[i]!) ?? a[i]) !== a[i]) return false;
    there.set(a[i]!, b[i]!);
    back.set(b[i]!, a[i]!);
  }
  return a.length === b.length;
}

/** Share of nodes that agree under the best one-to-one naming (Hungarian method). */
export function bestMatch(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const { counts, rows, columns } = contingency(a, b);
  const size = Math.max(rows, columns);
  const cost = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (_, j) => -(counts.get(i * columns + j) ?? 0)),
  );
  for (let i = 0; i < size; i++) for (let j = columns; j < size; j++) cost[i]![j] = 0;
  for (let i = rows; i < size; i++) cost[i]!.fill(0);
  return a.length === 0 ? 1 : -leastAssignment(cost) / a.length;
}

/** Adjusted Rand index: 1 for equal partitions, about 0 for unrelated ones. */
export function adjustedRand(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const { counts, rows, columns } = contingency(a, b);
  const sums = [new Float64Array(rows), new Float64Array(columns)] as const;
  const pairs = (n: number): number => (n * (n - 1)) / 2;
  let together = 0;
  for (const [key, n] of counts) {
    together += pairs(n);
    sums[0][Math.floor(key / columns)]! += n;
    sums[1][key % columns]! += n;
  }
  const [inA, inB] = sums.map((list) => list.reduce((sum, n) => sum + pairs(n), 0)) as [number, number];
  const expected = (inA * inB) / pairs(a.length);
  const most = (inA + inB) / 2;
  return most === expected ? 1 : (together - expected) / (most - expected);
}

function contingency(a: ArrayLike<number>, b: ArrayLike<number>) {
  const [rowOf, columnOf] = [numbering(a), numbering(b)];
  const counts = new Map<number, number>();
  for (let i = 0; i < a.length; i++) {
    const key = rowOf.get(a[i]!)! * columnOf.size + columnOf.get(b[i]!)!;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return { counts, rows: rowOf.size, columns: columnOf.size };
}

function numbering(labels: ArrayLike<number>): Map<number, number> {
  const numbers = new Map<number, number>();
  for (let i = 0; i < labels.length; i++) if (!numbers.has(labels[i]!)) numbers.set(labels[i]!, numbers.size);
  return numbers;
}

/** Least total cost of an assignment, rows added one by one along shortest augmenting paths. */
function leastAssignment(cost: readonly (readonly number[])[]): number {
  const n = cost.length;
  const rowPotential = new Float64Array(n + 1);
  const columnPotential = new Float64Array(n + 1);
  const rowOfColumn = new Int32Array(n + 1);
  const from = new Int32Array(n + 1);
  for (let row = 1; row <= n; row++) {
    rowOfColumn[0] = row;
    const least = new Float64Array(n + 1).fill(Infinity);
    const used = new Uint8Array(n + 1);
    let column = 0;
    do {
      used[column] = 1;
      const r = rowOfColumn[column]!;
      let delta = Infinity;
      let next = 0;
      for (let j = 1; j <= n; j++) {
        if (used[j]) continue;
        const reduced = cost[r - 1]![j - 1]! - rowPotential[r]! - columnPotential[j]!;
        if (reduced < least[j]!) {
          least[j] = reduced;
          from[j] = column;
        }
        if (least[j]! < delta) {
          delta = least[j]!;
          next = j;
        }
      }
      for (let j = 0; j <= n; j++) {
        if (used[j]) {
          rowPotential[rowOfColumn[j]!]! += delta;
          columnPotential[j]! -= delta;
        } else least[j]! -= delta;
      }
      column = next;
    } while (rowOfColumn[column] !== 0);
    while (column !== 0) {
      rowOfColumn[column] = rowOfColumn[from[column]!]!;
      column = from[column]!;
    }
  }
  let total = 0;
  for (let j = 1; j <= n; j++) total += cost[rowOfColumn[j]! - 1]![j - 1]!;
  return total;
}
