/** Monte Carlo tree search over ordered lists of items, where a list costs the sum of its items and none may cost more than the
 *  budget. A node is a list; its value while searching is its mean reward, a bonus for nodes seldom visited, and a charge for its
 *  length. Knows nothing of texts: items are numbers, the reward is a function of lists. */

import { QuireError } from "../../../errors.js";

export interface CombinationSettings {
  readonly budget: number;
  /** Most items of a list. */
  readonly longest: number;
  /** Expansions that are counted. */
  readonly iterations: number;
  /** Bonus of nodes seldom visited. */
  readonly exploration: number;
  /** Charge for a list that fills the whole budget. */
  readonly costWeight: number;
  /** What an expansion adds to its node and all above: the best of the new nodes, or all of them. */
  readonly update: "max" | "all";
  /** What the answer has most of: reward, or reward less the charge for its length. */
  readonly final: "reward" | "utility";
  /** Rank of each item where only lists in that order count, for rewards that ignore order. */
  readonly ranks?: readonly number[];
  /** Asked before every expansion. */
  stop?(): boolean;
  onIteration?(best: Combination, iteration: number): void;
}

/** Rewards of the lists, in their order; NaN where there is none. Fewer than lists when it was stopped half way. */
export type CombinationReward = (lists: readonly (readonly number[])[]) => Promise<readonly number[]>;

export interface Combination {
  readonly items: readonly number[];
  readonly reward: number;
  readonly cost: number;
  /** Reward of the first item alone, the first two, and so on. */
  readonly prefixRewards: readonly number[];
}

export interface CombinationResult {
  /** Undefined where no list fits. */
  readonly best: Combination | undefined;
  readonly iterations: number;
  /** Nodes of the tree that were given a reward. */
  readonly nodes: number;
  /** Lists outside the tree that were: the plain best-first lists, which the answer is never worse than. */
  readonly compared: number;
  /** Of all those, such without a usable reward. */
  readonly unusable: number;
  readonly exhausted: boolean;
  readonly root: { readonly value: number; readonly visits: number };
}

interface Node {
  readonly parent: Node | undefined;
  readonly item: number;
  readonly depth: number;
  readonly cost: number;
  readonly reward: number;
  value: number;
  visits: number;
  children: Node[] | undefined;
  exhausted: boolean;
}

export async function searchCombinations(
  costs: readonly number[],
  reward: CombinationReward,
  settings: CombinationSettings,
): Promise<CombinationResult> {
  check(costs, settings);
  const root = node(undefined, -1, 0, Number.NEGATIVE_INFINITY);
  const evaluated: Node[] = [];
  let iterations = 0;
  let unusable = 0;
  let stopped = false;
  let compared: Node[] = [];
  while (iterations < settings.iterations && !root.exhausted && !stopped && settings.stop?.() !== true) {
    const leaf = descend(root, settings);
    const items = followers(leaf, costs, settings);
    if (items.length === 0) {
      exhaust(leaf);
      continue;
    }
    const before = listOf(leaf);
    const rewards = await reward(items.map((item) => [...before, item]));
    stopped = rewards.length < items.length;
    const children = rewards.map((value, i) => node(leaf, items[i]!, leaf.cost + costs[items[i]!]!, value));
    unusable += children.filter(({ reward: own }) => own === Number.NEGATIVE_INFINITY).length;
    evaluated.push(...children);
    leaf.children = children;
    // A batch that was cut short is good for the answer, but its node is not whole and the iteration does not count.
    if (stopped) break;
    if (leaf === root && children.every(({ exhausted }) => exhausted)) throw noReward(children.length);
    if (children.every(({ exhausted }) => exhausted)) exhaust(leaf);
    update(leaf, children, settings);
    iterations += 1;
    if (iterations === 1) {
      compared = await plainLists(children, costs, reward, settings);
      unusable += compared.filter(({ reward: own }) => own === Number.NEGATIVE_INFINITY).length;
    }
    if (settings.onIteration !== undefined)
      settings.onIteration(combination(best([...evaluated, ...compared], settings)!), iterations);
  }
  const found = best([...evaluated, ...compared], settings);
  return {
    best: found === undefined ? undefined : combination(found),
    iterations,
    nodes: evaluated.length,
    compared: compared.length,
    unusable,
    exhausted: root.exhausted,
    root: { value: root.value, visits: root.visits },
  };
}

/** U of a node as its parent sees it. */
export function upperBound(
  { value, visits, cost }: { value: number; visits: number; cost: number },
  parentVisits: number,
  { exploration, costWeight, budget }: Pick<CombinationSettings, "exploration" | "costWeight" | "budget">,
): number {
  const charge = costWeight === 0 ? 0 : (costWeight * cost) / budget;
  return value / visits + exploration * Math.sqrt(Math.log(parentVisits) / visits) - charge;
}

function node(parent: Node | undefined, item: number, cost: number, reward: number): Node {
  const usable = Number.isFinite(reward);
  return {
    parent,
    item,
    depth: parent === undefined ? 0 : parent.depth + 1,
    cost,
    reward: usable ? reward : Number.NEGATIVE_INFINITY,
    value: usable ? reward : 0,
    visits: parent === undefined ? 0 : 1,
    children: undefined,
    exhausted: parent !== undefined && !usable,
  };
}

/** Down to a node without children, always to the child of the largest U; ties go to the cheaper, then to the earlier item. */
function descend(root: Node, settings: CombinationSettings): Node {
  let at = root;
  while (at.children !== undefined) {
    let chosen: Node | undefined;
    let most = Number.NEGATIVE_INFINITY;
    for (const child of at.children) {
      if (child.exhausted) continue;
      const bound = upperBound(child, at.visits, settings);
      const better =
        chosen === undefined ||
        bound > most ||
        (bound === most && (child.cost < chosen.cost || (child.cost === chosen.cost && child.item < chosen.item)));
      if (better) {
        chosen = child;
        most = bound;
      }
    }
    if (chosen === undefined) return at;
    at = chosen;
  }
  return at;
}

function followers(leaf: Node, costs: readonly number[], { budget, longest, ranks }: CombinationSettings): number[] {
  if (leaf.depth >= longest) return [];
  const used = new Set(listOf(leaf));
  const after = leaf.item < 0 ? Number.NEGATIVE_INFINITY : (ranks?.[leaf.item] ?? Number.NEGATIVE_INFINITY);
  return [...costs.keys()].filter(
    (item) =>
      !used.has(item) && leaf.cost + costs[item]! <= budget && (ranks === undefined || (ranks[item] ?? 0) > after),
  );
}

function exhaust(leaf: Node): void {
  for (let at: Node | undefined = leaf; at !== undefined; at = at.parent) {
    if (at !== leaf && at.children?.some(({ exhausted }) => !exhausted)) return;
    at.exhausted = true;
  }
}

function update(leaf: Node, children: readonly Node[], settings: CombinationSettings): void {
  const usable = children.filter(({ reward }) => reward !== Number.NEGATIVE_INFINITY).map(({ reward }) => reward);
  const added = settings.update === "max" ? (usable.length === 0 ? 0 : Math.max(...usable)) : sum(usable);
  const visits = settings.update === "max" ? 1 : children.length;
  for (let at: Node | undefined = leaf; at !== undefined; at = at.parent) {
    at.value += added;
    at.visits += visits;
  }
}

/** What plain top-k would give: items by their own reward, as many as fit, cut anywhere; and the items in the order they came. */
async function plainLists(
  singles: readonly Node[],
  costs: readonly number[],
  reward: CombinationReward,
  settings: CombinationSettings,
): Promise<Node[]> {
  const usable = singles.filter(({ exhausted }) => !exhausted);
  const byReward = [...usable].sort((a, b) => b.reward - a.reward || a.item - b.item).map(({ item }) => item);
  const given = usable.map(({ item }) => item);
  const found: Node[] = [];
  const seen = new Map(usable.map((single) => [String(single.item), single]));
  for (const order of [byReward, given]) {
    const filled = fill(order, costs, settings);
    const lists = filled.map((_, i) => filled.slice(0, i + 1)).filter((list) => !seen.has(list.join(" ")));
    const rewards = lists.length === 0 ? [] : await reward(lists);
    for (const [i, value] of rewards.entries()) {
      const list = lists[i]!;
      const parent = seen.get(list.slice(0, -1).join(" "));
      const item = list.at(-1)!;
      const made = { ...node(parent, item, (parent?.cost ?? 0) + costs[item]!, value), depth: list.length };
      seen.set(list.join(" "), made);
      found.push(made);
    }
  }
  return found;
}

function fill(
  order: readonly number[],
  costs: readonly number[],
  { budget, longest, ranks }: CombinationSettings,
): number[] {
  const list: number[] = [];
  let cost = 0;
  for (const item of order) {
    if (list.length >= longest) break;
    if (cost + costs[item]! > budget) continue;
    cost += costs[item]!;
    list.push(item);
  }
  return ranks === undefined ? list : list.sort((a, b) => (ranks[a] ?? 0) - (ranks[b] ?? 0));
}

/** Most of what is wanted; ties go to more visits, then the longer list, then the cheaper. */
function best(nodes: readonly Node[], { final, costWeight, budget }: CombinationSettings): Node | undefined {
  const wanted = ({ reward, cost }: Node) => (final === "reward" ? reward : reward - (costWeight * cost) / budget);
  let found: Node | undefined;
  for (const one of nodes) {
    if (one.reward === Number.NEGATIVE_INFINITY) continue;
    if (found === undefined) found = one;
    const more = wanted(one) - wanted(found);
    const tie = one.visits - found.visits || one.depth - found.depth || found.cost - one.cost;
    if (more > 0 || (more === 0 && tie > 0)) found = one;
  }
  return found;
}

function combination(found: Node): Combination {
  const prefixRewards: number[] = [];
  for (let at: Node | undefined = found; at !== undefined && at.depth > 0; at = at.parent)
    prefixRewards.unshift(at.reward);
  return { items: listOf(found), reward: found.reward, cost: found.cost, prefixRewards };
}

function listOf(node: Node): number[] {
  const items: number[] = [];
  for (let at: Node | undefined = node; at !== undefined && at.depth > 0; at = at.parent) items.unshift(at.item);
  return items;
}

function check(costs: readonly number[], settings: CombinationSettings): void {
  const { budget, iterations, exploration, costWeight, longest } = settings;
  const bad =
    !(budget > 0) || !(iterations >= 1) || !(exploration >= 0) || !(costWeight >= 0) || !(longest >= 1)
      ? { budget, iterations, exploration, costWeight, longest }
      : costs.some((cost) => !(cost >= 0))
        ? { costs }
        : undefined;
  if (bad === undefined) return;
  throw new QuireError("bad-option", "A search of combinations cannot work with these settings.", {
    got: bad,
    expected: "budget > 0, iterations and longest at least 1, exploration, costWeight and all costs at least 0",
  });
}

function noReward(count: number): QuireError {
  return new QuireError("bad-input", "No passage could be given a value.", {
    got: `${count} values that are not numbers`,
    expected: "a finite value of at least one passage",
    fix: "Use another model to value them, or another reward.",
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
