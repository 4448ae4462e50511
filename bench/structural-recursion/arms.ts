import type { TrainedCase } from "../../src/train/recursion/judge-trained.js";
import { successor } from "../../src/train/tasks/successor.js";
import { traversal } from "../../src/train/tasks/traversal.js";

/** What is trained: a task of the suite, a model, and how long. Three seeds each, one after the other. */

export interface Arm extends TrainedCase {
  readonly name: string;
  /** What the arm is there to be compared with. */
  readonly setting: string;
  readonly steps: number;
  readonly architecture: "llama" | "universal-transformer";
  /** Comes after all seeds of the others: it takes long, or says less. */
  readonly last?: boolean;
  /** Fields of the architecture alone. */
  readonly fields?: Readonly<Record<string, string | number | boolean>>;
}

export const modelSize = { hiddenSize: 64, layers: 2, heads: 4, innerSize: 128, context: 256 } as const;
export const sequences = 32;
export const learningRate = 2e-3;
export const seeds = [1, 2, 3];

const plain = { architecture: "llama", asked: "answer" } as const;
const smallTrees = { nodes: [1, 6], mostHeight: 5, mostNodes: 10 } as const;
const smallestTrees = { nodes: [1, 5], mostHeight: 4, mostNodes: 8 } as const;

export const arms: readonly Arm[] = [
  {
    ...plain,
    name: "uniform bits",
    setting: "successor",
    function: "succ",
    task: successor(),
    steps: 1500,
  },
  {
    ...plain,
    name: "a fifth of them deep",
    setting: "successor",
    function: "succ",
    task: successor({ edgeShare: 0.2 }),
    steps: 1500,
  },
  {
    ...plain,
    name: "uniform bits",
    setting: "successor, reverse order",
    function: "succ",
    order: "reverse",
    task: successor({ order: "reverse" }),
    steps: 1500,
  },
  {
    ...plain,
    name: "uniform shapes",
    setting: "in-order traversal",
    function: "in",
    task: traversal(smallTrees),
    steps: 1500,
  },
  {
    ...plain,
    last: true,
    name: "a fifth of them combs and paths",
    setting: "in-order traversal",
    function: "in",
    task: traversal({ ...smallTrees, edgeShare: 0.2 }),
    steps: 1500,
  },
  {
    ...plain,
    last: true,
    name: "uniform shapes",
    setting: "one step of in-order",
    function: "in",
    asked: "step",
    task: traversal({ ...smallestTrees, form: "step" }),
    steps: 1000,
  },
];
