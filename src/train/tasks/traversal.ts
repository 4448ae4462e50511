import { QuireError } from "../../errors.js";
import type { RandomStream } from "../../tensor/random.js";
import { recursiveFunction } from "../recursion/recursive-function.js";
import {
  deepPath,
  fullShape,
  labelled,
  leftComb,
  randomShape,
  rightComb,
  type Shape,
  type Traversal,
  type Tree,
  treeHeight,
  treeSize,
  writeTree,
  zigzag,
} from "../recursion/tree.js";
import { checkedShare, joined, type RecursionForm } from "./successor.js";
import { between, checkedRange, defineTask, type Example, endSymbol, pick, questionOf, type Task } from "./task.js";

/** Traversals of binary trees (structural recursion): `(a(b..)(c..))=` in order is `bac`. `.` is the empty tree. Shapes are uniform among
 *  those of their size up to a height, labels are letters without repetition. With `edgeShare` a share of the examples is a comb, a
 *  zigzag or a deep path. Forms: the answer, one step of the evaluation (`[(a(b..)(c..))]=[(b..)]a[(c..)]`), or all of them.
 *  The whole preorder is what is left without brackets and dots; ask in order, or for steps, to learn about recursion.
 *  Measures: nodes, height; of steps the height still to go. */

export interface TraversalOptions {
  readonly traversal?: Traversal;
  readonly form?: RecursionForm;
  /** Default 1 to 12. */
  readonly nodes?: readonly [number, number];
  /** Height of the highest tree that is drawn; default 8. */
  readonly mostHeight?: number;
  /** Nodes of the edge set `larger`; default 8 more than the most. */
  readonly mostNodes?: number;
  /** 0 to 0.5; default 0. */
  readonly edgeShare?: number;
}

const mostTries = 10_000;
const letters = [..."abcdefghijklmnopqrstuvwxyz"];

export function traversal(options: TraversalOptions = {}): Task {
  const { traversal: order = "in", form = "answer", nodes = [1, 12], mostHeight = 8, edgeShare = 0 } = options;
  const { mostNodes = Math.min(nodes[1] + 8, letters.length) } = options;
  checkedRange("nodes of a traversal", nodes);
  checkedRange("nodes of larger trees", [nodes[1] + 1, mostNodes]);
  checkedRange("nodes of larger trees", [mostNodes, letters.length]);
  checkedRange("heights of a traversal", [Math.ceil(Math.log2(nodes[1] + 1)), mostHeight]);
  checkedShare(edgeShare);
  const named = (random: RandomStream, shape: Shape): Tree => labelled(shape, random.shuffled(letters));
  const ask = (random: RandomStream, tree: Tree): Example => asked(random, tree, order, form);
  const shallow = (random: RandomStream, count: number): Shape => {
    for (let tries = 0; tries < mostTries; tries++) {
      const shape = randomShape(random, count);
      if (treeHeight(labelled(shape, letters)) <= mostHeight) return shape;
    }
    throw new QuireError("bad-option", `Trees of ${count} nodes are hardly ever no higher than ${mostHeight}.`, {
      got: mostHeight,
      expected: "a greater height, or smaller trees",
    });
  };
  const size = (random: RandomStream): number => between(random, ...nodes);
  /** Sizes of shapes that are one path: no higher than what is drawn. */
  const path = (random: RandomStream): number => between(random, 1, Math.min(mostHeight, nodes[1]));
  const special = (random: RandomStream): Shape => {
    const kinds = [
      () => leftComb(path(random)),
      () => rightComb(path(random)),
      () => zigzag(path(random), random.below(2) === 0),
      () => deepPath(random, path(random), nodes[1] - mostHeight),
    ];
    return pick(random, kinds)();
  };
  const repeated = (random: RandomStream, tree: Shape, different: number): Tree => {
    const few = random.shuffled(letters).slice(0, different);
    return labelled(
      tree,
      Array.from({ length: mostNodes }, () => pick(random, few)),
    );
  };
  return defineTask({
    name: form === "answer" ? order : `${form}-${order}`,
    title: `the labels of a binary tree, ${order}-order`,
    vocabulary: [...letters, ..."().[];=", endSymbol],
    longest:
      form === "answer"
        ? 5 * nodes[1] + 3
        : form === "step"
          ? 10 * nodes[1] + 8
          : 2 + (mostHeight + 2) * (6 * nodes[1] + 4),
    propose: (random) =>
      ask(random, named(random, random.uniform() < edgeShare ? special(random) : shallow(random, size(random)))),
    inRange: ({ measures, key }) =>
      (measures["nodes"] ?? 0) >= nodes[0] &&
      (measures["nodes"] ?? 0) <= nodes[1] &&
      (measures["height"] ?? 0) <= mostHeight &&
      new Set(key.replace(/[^a-z]/g, "")).size === measures["nodes"],
    edges: {
      "left-comb": (random) => ask(random, named(random, leftComb(path(random)))),
      "right-comb": (random) => ask(random, named(random, rightComb(path(random)))),
      zigzag: (random) => ask(random, named(random, zigzag(path(random), random.below(2) === 0))),
      full: (random) => ask(random, named(random, fullShape(between(random, 1, Math.floor(Math.log2(nodes[1] + 1)))))),
      "deep-path": (random) =>
        ask(
          random,
          named(random, deepPath(random, Math.min(mostHeight, nodes[1]), Math.max(0, nodes[1] - mostHeight))),
        ),
      single: (random) => ask(random, named(random, [null, null])),
      ...(form === "answer" ? { empty: (random: RandomStream) => ask(random, null) } : {}),
      "one-label": (random) =>
        ask(random, repeated(random, shallow(random, between(random, Math.min(2, nodes[1]), nodes[1])), 1)),
      "two-labels": (random) =>
        ask(random, repeated(random, shallow(random, between(random, Math.min(3, nodes[1]), nodes[1])), 2)),
      ...(mostHeight < nodes[1]
        ? {
            /** Higher than any that is drawn, and no larger. */
            deeper: (random: RandomStream) => {
              const height = between(random, mostHeight + 1, nodes[1]);
              return ask(random, named(random, deepPath(random, height, nodes[1] - height)));
            },
          }
        : {}),
      /** Larger than any that is drawn, and no higher. */
      larger: (random) => ask(random, named(random, shallow(random, between(random, nodes[1] + 1, mostNodes)))),
    },
  });
}

function asked(random: RandomStream, tree: Tree, order: Traversal, form: RecursionForm): Example {
  const written = writeTree(tree);
  const key = written.join("");
  const measures = { nodes: treeSize(tree), height: treeHeight(tree) };
  const called = recursiveFunction(order);
  if (form === "answer") return questionOf([...written, "="], called.evaluate(written), measures, key);
  const states = called.states(written);
  if (form === "trace") return questionOf([...written, "="], joined(states.slice(1)), measures, key);
  // All steps of one evaluation belong to one split.
  const at = random.below(Math.max(1, states.length - 1));
  const [before = [], after = before] = states.slice(at, at + 2);
  return questionOf([...before, "="], after, { ...measures, left: states.length - 1 - at }, key);
}
