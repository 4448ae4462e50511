import { QuireError, throwIfAborted } from "../errors.js";
import { checkConvexPolygon, polygonAspect } from "./convex-polygon.js";
import { type Balance, buildCutTree, type CutTree } from "./cut-tree.js";
import { dyadicAngle, widestAngle } from "./cutting-direction.js";
import { type Partition, PolygonStore } from "./partition.js";
import { cutPiece, type Piece, wholePiece } from "./polygon-cut.js";
import { slackRectangles } from "./slack-boxes.js";
import type { StructureContext } from "./structure.js";
import { indexTree, sumWeights, type WeightedTree } from "./weighted-tree.js";

/** The layout of `polygonal-partitions` itself, without the option schema: it needs nothing but numbers, so that a page can use it too. */

export interface PartitionOptions {
  readonly rule: "widest-angle" | "dyadic" | "greedy" | "rectangles";
  readonly balance: Balance;
  readonly slack?: number;
  readonly shape?: readonly number[];
  /** greedy: directions that are tried; default 180. */
  readonly directions?: number;
  /** The shape comes from an earlier partition, so it is convex up to rounding and is not checked again. */
  readonly shapeIsPiece?: boolean;
}

/** Largest diam² / area after `cuts` cuts of a square by rule widest-angle or dyadic, whatever the weights. */
export function aspectBound(cuts: number): number {
  return Math.max(4 * Math.SQRT2, (8 / Math.PI) * (cuts + 1));
}

const unitSquare = [0, 0, 1, 0, 1, 1, 0, 1];

export function partition(input: WeightedTree, options: PartitionOptions, context: StructureContext = {}): Partition {
  const tree = indexTree(input.parents, input.ids);
  const { weights, leaves } = sumWeights(tree, input.weights);
  const shape = options.shape ?? unitSquare;
  if (options.shapeIsPiece !== true) checkConvexPolygon(shape, "The root polygon");
  if (options.rule === "rectangles") return slackRectangles(tree, weights, shape, options.slack, context);
  const cut =
    options.rule === "greedy"
      ? greedyCut(options.directions ?? greedyDirections)
      : directedCut(options.rule === "dyadic" ? dyadicAngle : widestAngle);
  const cuts = buildCutTree(tree, weights, leaves, options.balance);
  return layOut(tree.size, tree.root, tree.depths, cuts, wholePiece(shape), cut, tree.name, context);
}

/** Cuts a piece into parts with areas as the two weights. */
type Cut = (piece: Piece, first: number, second: number) => [first: Piece, second: Piece];

function directedCut(choose: (directions: Float64Array) => number): Cut {
  return (piece, first, second) => {
    const angle = choose(piece.directions);
    const share = Math.min(first, second) / (first + second);
    // The first part lies to the right of the line, whichever of the two is the small one.
    const { small, rest } = cutPiece(piece, angle, share, first > second);
    return first <= second ? [small, rest] : [rest, small];
  };
}

const greedyDirections = 180;

function greedyCut(directions: number): Cut {
  return (piece, first, second) => {
    const share = Math.min(first, second) / (first + second);
    let best = Number.POSITIVE_INFINITY;
    let chosen: { small: Piece; rest: Piece } | undefined;
    for (let i = 0; i < directions; i++) {
      for (const leftSide of [false, true]) {
        const parts = cutPiece(piece, (i * Math.PI) / directions, share, leftSide);
        const worst = Math.max(polygonAspect(parts.small.points), polygonAspect(parts.rest.points));
        if (worst < best) {
          best = worst;
          chosen = parts;
        }
      }
    }
    const { small, rest } = chosen ?? cutPiece(piece, 0, share, false);
    return first <= second ? [small, rest] : [rest, small];
  };
}

/** Areas of smaller shares would leave the range of numbers. */
const smallestShare = 1e-200;

function layOut(
  size: number,
  root: number,
  depths: Int32Array,
  tree: CutTree,
  whole: Piece,
  cut: Cut,
  name: (node: number) => string,
  { signal, onProgress }: StructureContext,
): Partition {
  const out = new PolygonStore(size);
  const nodes = [root];
  const pieces = [whole];
  const depth = [0];
  const owners = [root];
  let drawn = 0;
  while (nodes.length > 0) {
    let node = nodes.pop()!;
    const piece = pieces.pop()!;
    const cutsAbove = depth.pop()!;
    let owner = owners.pop()!;
    if (node < size) {
      const first = node;
      out.add(node, piece, cutsAbove);
      while (tree.right[node] === -1 && tree.left[node] !== -1) {
        node = tree.left[node]!;
        out.share(node, first);
      }
      owner = node;
      if (++drawn % 1024 === 0) {
        throwIfAborted(signal);
        onProgress?.(drawn, size);
      }
    }
    const left = tree.left[node]!;
    const right = tree.right[node]!;
    if (right === -1) continue;
    const [a, b] = [tree.weights[left]!, tree.weights[right]!];
    const [first, second] = Math.min(a, b) < smallestShare * Math.max(a, b) ? [] : cut(piece, a, b);
    if (!first || !second || !(first.area > 0 && second.area > 0)) {
      throw new QuireError("bad-input", `The weights below ${name(owner)} differ too much to be drawn.`, {
        got: [a, b],
        expected: `no weight below ${smallestShare} of its neighbours`,
        fix: "Leave out the smallest weights or set a floor for them.",
      });
    }
    nodes.push(right, left);
    pieces.push(second, first);
    depth.push(cutsAbove + 1, cutsAbove + 1);
    owners.push(owner, owner);
  }
  onProgress?.(size, size);
  return out.partition(depths);
}
