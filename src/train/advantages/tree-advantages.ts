import { QuireError } from "../../errors.js";

/** What an answer of a tree is worth beside those it shares a beginning with: every inner node is a group of comparison, so credit goes
 *  to where answers part.
 *  Paper    Li, Gu, Wen et al. 2025, arXiv 2508.17445 (treepo). Its trainer is not built yet; these are the numbers it learns from
 *  Takes    a reward for each answer, and the segments that it went through
 *  Cost     O(answers · segments) */

export interface TreeAnswer {
  /** Segments that it went through, the root first, as `answers` of a result give them. */
  readonly path: readonly number[];
  readonly reward: number;
  /** Which prompt it answers; answers of different prompts are never compared. */
  readonly prompt?: string | number;
}

export interface TreeAdvantageOptions {
  /** How an answer's advantages in its groups are joined: all alike, or larger groups more. */
  readonly weighting?: "average" | "size";
  /** Leave out groups that say nothing: those in which all rewards are equal. */
  readonly skipEqual?: boolean;
}

interface Group {
  readonly size: number;
  readonly mean: number;
  readonly isEqual: boolean;
}

/** One advantage an answer: its reward above the mean of each group it is in, from the whole prompt down. Groups of one are left out,
 *  but for a prompt with one answer, which counts with its reward. */
export function treeAdvantages(
  answers: readonly TreeAnswer[],
  { weighting = "average", skipEqual = false }: TreeAdvantageOptions = {},
): Float64Array {
  const groups = groupsOf(answers);
  return Float64Array.from(answers, (answer) => {
    let sum = 0;
    let weights = 0;
    for (const [depth, { size, mean, isEqual }] of groupsFor(answer, groups).entries()) {
      if (size === 1 && depth > 0) continue;
      if (size > 1 && skipEqual && isEqual) continue;
      const weight = weighting === "size" ? size : 1;
      sum += weight * (size === 1 ? answer.reward : answer.reward - mean);
      weights += weight;
    }
    return weights === 0 ? 0 : sum / weights;
  });
}

/** One advantage a segment of each answer: the value of the node that it leads to above that of the node before. A leaf's value is the
 *  mean of its answer's advantages in all its groups, itself included, by their sizes; an inner node's that of its children; the
 *  root's is 0. */
export function segmentAdvantages(answers: readonly TreeAnswer[]): Float64Array[] {
  const groups = groupsOf(answers);
  const children = new Map<string, Set<string>>();
  const leaves = new Map<string, number>();
  for (const answer of answers) {
    const keys = keysOf(answer);
    for (const [depth, key] of keys.slice(1).entries()) {
      const parent = keys[depth] as string;
      children.set(parent, (children.get(parent) ?? new Set()).add(key));
    }
    const own = groupsFor(answer, groups);
    const sizes = own.reduce((sum, { size }) => sum + size, 0);
    leaves.set(
      keys.at(-1) as string,
      own.reduce((sum, { size, mean }) => sum + size * (answer.reward - mean), 0) / sizes,
    );
  }
  const values = new Map<string, number>();
  const nodeValue = (key: string): number => {
    const known = values.get(key);
    if (known !== undefined) return known;
    const below = [...(children.get(key) ?? [])];
    // An answer that others begin with as a whole is one of the children of its own node.
    const own = leaves.has(key) ? [leaves.get(key) as number] : [];
    const all = [...own, ...below.map(nodeValue)];
    const value = all.reduce((sum, one) => sum + one, 0) / all.length;
    values.set(key, value);
    return value;
  };
  return answers.map((answer) => {
    const keys = keysOf(answer);
    return Float64Array.from(keys.slice(1), (key, depth) =>
      depth === 0 ? nodeValue(key) : nodeValue(key) - nodeValue(keys[depth] as string),
    );
  });
}

function groupsOf(answers: readonly TreeAnswer[]): Map<string, Group> {
  const rewards = new Map<string, number[]>();
  for (const [index, answer] of answers.entries()) {
    if (!Number.isFinite(answer.reward)) {
      throw new QuireError("bad-input", `The reward of answer ${index} is no finite number.`, {
        got: answer.reward,
        expected: "a finite number",
      });
    }
    if (answer.path.length === 0) {
      throw new QuireError("bad-input", `Answer ${index} has no path.`, { expected: "at least the root" });
    }
    for (const key of keysOf(answer)) {
      const group = rewards.get(key);
      if (group === undefined) rewards.set(key, [answer.reward]);
      else group.push(answer.reward);
    }
  }
  return new Map(
    [...rewards].map(([key, group]) => [
      key,
      {
        size: group.length,
        mean: group.reduce((sum, reward) => sum + reward, 0) / group.length,
        isEqual: group.every((reward) => reward === group[0]),
      },
    ]),
  );
}

function groupsFor(answer: TreeAnswer, groups: ReadonlyMap<string, Group>): Group[] {
  return keysOf(answer).map((key) => groups.get(key) as Group);
}

/** Names of the nodes on the way, from the prompt to the answer alone. */
function keysOf({ path, prompt = "" }: TreeAnswer): string[] {
  const name = JSON.stringify(prompt);
  return path.map((_, depth) => `${name} ${path.slice(1, depth + 1).join(" ")}`);
}
