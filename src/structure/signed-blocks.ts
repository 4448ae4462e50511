/** The fewest signed blocks that add up to a pattern of zeros and ones, for the three small patterns of hierarchical summaries:
 *  two panels stacked (8 cells), a merged root with itself (10 cells), one panel (4 cells). Breadth-first search from the zero
 *  pattern over states of -1, 0, +1; a move adds or takes one block and never leaves that range. The first path found is kept,
 *  so the answer is definite. Everything is found once and remembered. */

export interface BlockSearch {
  readonly cells: number;
  /** Fewest blocks for a state, -1 where none was reached. A state is `ones | minusOnes << cells`. */
  readonly cost: Int8Array;
  /** Order of discovery: of equally cheap states, the one found first has the smallest. */
  readonly rank: Int32Array;
  /** Last move that led to a state: block * 2, + 1 for a minus. */
  readonly move: Int8Array;
  readonly blocks: readonly number[];
}

export function searchBlocks(cells: number, blocks: readonly number[]): BlockSearch {
  const states = 1 << (2 * cells);
  const cost = new Int8Array(states).fill(-1);
  const rank = new Int32Array(states);
  const move = new Int8Array(states);
  const queue = new Int32Array(3 ** cells);
  const ones = (1 << cells) - 1;
  cost[0] = 0;
  let tail = 1;
  for (let head = 0; head < tail; head++) {
    const state = queue[head]!;
    const plus = state & ones;
    const minus = state >> cells;
    for (let b = 0; b < blocks.length; b++) {
      const block = blocks[b]!;
      for (let sign = 0; sign < 2; sign++) {
        const same = sign === 0 ? plus : minus;
        const opposite = sign === 0 ? minus : plus;
        if ((same & block) !== 0) continue;
        const grown = same | (block & ~opposite);
        const shrunk = opposite & ~block;
        const next = sign === 0 ? grown | (shrunk << cells) : shrunk | (grown << cells);
        if (cost[next] !== -1) continue;
        cost[next] = cost[state]! + 1;
        move[next] = 2 * b + sign;
        rank[next] = tail;
        queue[tail++] = next;
      }
    }
  }
  return { cells, cost, rank, move, blocks };
}

/** The moves from zero to the state. */
export function pathTo(search: BlockSearch, state: number): number[] {
  const ones = (1 << search.cells) - 1;
  const moves: number[] = [];
  let at = state;
  while (at !== 0) {
    const move = search.move[at]!;
    moves.push(move);
    const block = search.blocks[move >> 1]!;
    const plus = at & ones;
    const minus = at >> search.cells;
    // Undo: a cell the move raised to one goes back to zero, one it raised to zero goes back to minus one.
    if ((move & 1) === 0) at = (plus & ~block) | ((minus | (block & ~plus)) << search.cells);
    else at = plus | (block & ~minus) | ((minus & ~block) << search.cells);
  }
  return moves.reverse();
}

/** A way to write a pattern: signed edges that lie too low to be touched again, and what is left for the panel above them. */
export interface Encoding {
  readonly cost: number;
  readonly panel: number;
  /** Three numbers an edge: row place, column place, sign. */
  readonly fixed: readonly number[];
}

// Places of a merged root M: 0 M, 1 A, 2 B, 3 and 4 the kids of A, 5 and 6 the kids of B. Against a root U: 0 U, 1 and 2 its kids.
const rowMasks = [0xff, 0x0f, 0xf0, 0x03, 0x0c, 0x30, 0xc0];
const columnMasks = [0xff, 0x55, 0xaa];

/** Indexed by the panel of {A,U} and, four bits higher, that of {B,U}. */
export const stackedEncodings: () => readonly Encoding[] = once(() => {
  const search = stackedSearch();
  return Array.from({ length: 256 }, (_, target) => {
    const fixed: number[] = [];
    const sums = [0, 0, 0, 0];
    for (const move of pathTo(search, target)) {
      const row = Math.floor((move >> 1) / 3);
      const column = (move >> 1) % 3;
      const sign = move & 1 ? -1 : 1;
      if (row >= 3) fixed.push(row, column, sign);
      else {
        for (let cell = 0; cell < 4; cell++) {
          const inRow = row === 0 || row === 1 + (cell >> 1);
          if (inRow && (column === 0 || column === 1 + (cell & 1))) sums[cell]! += sign;
        }
      }
    }
    return { cost: search.cost[target]!, panel: packPanel(sums), fixed };
  });
});

export const stackedSearch: () => BlockSearch = once(() =>
  searchBlocks(
    8,
    rowMasks.flatMap((row) => columnMasks.map((column) => row & column)),
  ),
);

/** One panel {X,U}: places 0 X, 1 and 2 its kids, against 0 U, 1 and 2 its kids. Every edge comes out as fixed. */
export const panelEncodings: () => readonly Encoding[] = once(() => {
  const rows = [0xf, 0x3, 0xc];
  const columns = [0xf, 0x5, 0xa];
  const search = searchBlocks(
    4,
    rows.flatMap((row) => columns.map((column) => row & column)),
  );
  return Array.from({ length: 16 }, (_, panel) => ({
    cost: search.cost[panel]!,
    panel: 0,
    fixed: pathTo(search, panel).flatMap((m) => [Math.floor((m >> 1) / 3), (m >> 1) % 3, m & 1 ? -1 : 1]),
  }));
});

// Cells of a merged root with itself, as pairs of grandchildren: the triangle of A, then A against B, then the triangle of B.
const selfCells = [
  [0, 0],
  [0, 1],
  [1, 1],
  [0, 2],
  [0, 3],
  [1, 2],
  [1, 3],
  [2, 2],
  [2, 3],
  [3, 3],
] as const; // prettier-ignore
const membersOf = [[0, 1, 2, 3], [0, 1], [2, 3], [0], [1], [2], [3]];
const selfPlaces: readonly (readonly [number, number])[] = [
  [0, 0],
  [1, 1],
  [2, 2],
  [1, 2],
  [1, 5],
  [1, 6],
  [2, 3],
  [2, 4],
  [3, 3],
  [4, 4],
  [5, 5],
  [6, 6],
  [3, 4],
  [3, 5],
  [3, 6],
  [4, 5],
  [4, 6],
  [5, 6],
]; // prettier-ignore

export const selfSearch: () => BlockSearch = once(() => searchBlocks(10, selfPlaces.map(selfMask)));

function selfMask([x, y]: readonly [number, number]): number {
  let mask = 0;
  for (const [cell, [i, j]] of selfCells.entries()) {
    const straight = membersOf[x]!.includes(i) && membersOf[y]!.includes(j);
    const crossed = membersOf[x]!.includes(j) && membersOf[y]!.includes(i);
    if (straight || crossed) mask |= 1 << cell;
  }
  return mask;
}

/** Which diagonal cells exist on one side of a merge: 0 the side is a leaf, else 1 + (first kid is a leaf) + 2 * (second is). */
export type SideShape = 0 | 1 | 2 | 3 | 4;

const selfMemo: (Encoding | undefined)[] = [];

/** A merged root with itself. `target` holds the triangle of A in bits 0..2, {A,B} in 3..6, the triangle of B in 7..9. A leaf has
 *  no pair with itself, so such a cell may come out as anything: the cheapest value is taken. */
export function selfEncoding(shapeA: SideShape, shapeB: SideShape, target: number): Encoding {
  const key = ((shapeA * 5 + shapeB) << 10) | target;
  selfMemo[key] ??= findSelfEncoding(shapeA, shapeB, target);
  return selfMemo[key];
}

function findSelfEncoding(shapeA: SideShape, shapeB: SideShape, target: number): Encoding {
  const search = selfSearch();
  let best = -1;
  for (const state of statesWithFreeCells(target, [...freeCells(shapeA, 0), ...freeCells(shapeB, 7)])) {
    if (search.cost[state]! >= 0 && (best < 0 || search.rank[state]! < search.rank[best]!)) best = state;
  }
  const fixed: number[] = [];
  const sums = [0, 0, 0];
  for (const move of pathTo(search, best)) {
    const [x, y] = selfPlaces[move >> 1]!;
    const sign = move & 1 ? -1 : 1;
    if (x >= 3 || y >= 3) fixed.push(x, y, sign);
    else if (x === 0) for (let cell = 0; cell < 3; cell++) sums[cell]! += sign;
    else sums[x === y ? 2 * x - 2 : 1]! += sign;
  }
  if (shapeA === 0) sums[0] = 0;
  if (shapeB === 0) sums[2] = 0;
  return { cost: search.cost[best]!, panel: packPanel(sums), fixed };
}

function freeCells(shape: SideShape, first: number): number[] {
  if (shape === 0) return [7 << first];
  return [(shape - 1) & 1 ? 1 << first : 0, (shape - 1) & 2 ? 4 << first : 0].filter((mask) => mask !== 0);
}

function statesWithFreeCells(target: number, free: readonly number[]): number[] {
  let states = [target & ~free.reduce((all, mask) => all | mask, 0)];
  for (const mask of free) states = states.flatMap((state) => [state, state | mask, state | (mask << 10)]);
  return states;
}

/** The triangle of one root: places 0 X, 1 and 2 its kids; bits (first, first), (first, second), (second, second). */
export function triangleEdges(panel: number, firstIsLeaf: boolean, secondIsLeaf: boolean): readonly number[] {
  const key = panel | (firstIsLeaf ? 8 : 0) | (secondIsLeaf ? 16 : 0);
  triangleMemo[key] ??= findTriangle(panel, firstIsLeaf, secondIsLeaf);
  return triangleMemo[key];
}

const triangleMemo: (readonly number[] | undefined)[] = [];
const trianglePlaces = [
  [0, 0],
  [1, 1],
  [2, 2],
  [1, 2],
] as const; // prettier-ignore

function findTriangle(panel: number, firstIsLeaf: boolean, secondIsLeaf: boolean): number[] {
  const search = searchBlocks(3, [7, 1, 4, 2]);
  let states = [panel];
  for (const mask of [firstIsLeaf ? 1 : 0, secondIsLeaf ? 4 : 0]) {
    if (mask !== 0) states = states.flatMap((s) => [s & ~mask, s | mask, (s & ~mask) | (mask << 3)]);
  }
  const best = states.reduce((a, b) => (search.rank[b]! < search.rank[a]! ? b : a));
  return pathTo(search, best).flatMap((m) => [...trianglePlaces[m >> 1]!, m & 1 ? -1 : 1]);
}

/** What is left for a panel is 0 or 1 in every cell as long as the search is minimal. */
function packPanel(sums: readonly number[]): number {
  return sums.reduce((panel, sum, cell) => {
    if (sum !== 0 && sum !== 1) throw new Error(`a panel cell came out as ${sum}`);
    return panel | (sum << cell);
  }, 0);
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
