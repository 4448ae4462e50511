import type { TraceNode } from "../program.js";

/** A program as a tree of calls: what runs one after another, and what may run at once. The same tree is made before a run, by a
 *  formula, and after it, from its trace; so the two can be compared, and both be asked how long they take with p calls at a time. */

export type CallTree = Call | { readonly series: readonly CallTree[] } | { readonly parallel: readonly CallTree[] };

export interface Call {
  readonly promptTokens: number;
  readonly cachedTokens?: number;
  readonly completionTokens: number;
  readonly seconds: number;
}

export interface CallTotals {
  readonly calls: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Of all calls, one after another. */
  readonly seconds: number;
}

export function callsOf(tree: CallTree): Call[] {
  if ("series" in tree) return tree.series.flatMap(callsOf);
  if ("parallel" in tree) return tree.parallel.flatMap(callsOf);
  return [tree];
}

export function totals(tree: CallTree): CallTotals {
  const calls = callsOf(tree);
  const sum = (of: (call: Call) => number) => calls.reduce((total, call) => total + of(call), 0);
  return {
    calls: calls.length,
    promptTokens: sum(({ promptTokens }) => promptTokens),
    cachedTokens: sum(({ cachedTokens = 0 }) => cachedTokens),
    completionTokens: sum(({ completionTokens }) => completionTokens),
    seconds: sum(({ seconds }) => seconds),
  };
}

interface Task {
  readonly seconds: number;
  /** Takes a worker while it runs; the others only wait for what is before them. */
  readonly works: boolean;
  waits: number;
  readonly next: number[];
}

/** Seconds until all is done, where `workers` calls run at a time and the next one that is ready is taken in order. Without a limit
 *  it is the longest path, with one worker the sum. */
export function makespan(tree: CallTree, workers = Number.POSITIVE_INFINITY): number {
  const tasks = tasksOf(tree);
  const ready: number[] = [];
  const running: { task: number; end: number }[] = [];
  let now = 0;
  const release = (task: number): void => {
    const { works, next } = tasks[task]!;
    if (works) ready.push(task);
    else for (const following of next) settle(following);
  };
  const settle = (task: number): void => {
    tasks[task]!.waits -= 1;
    if (tasks[task]!.waits === 0) release(task);
  };
  for (const first of tasks.flatMap(({ waits }, i) => (waits === 0 ? [i] : []))) release(first);
  while (ready.length > 0 || running.length > 0) {
    while (ready.length > 0 && running.length < workers) {
      const task = ready.shift()!;
      running.push({ task, end: now + tasks[task]!.seconds });
    }
    let earliest = 0;
    for (const [i, { end }] of running.entries()) if (end < running[earliest]!.end) earliest = i;
    const [ended] = running.splice(earliest, 1);
    now = ended!.end;
    for (const following of tasks[ended!.task]!.next) settle(following);
  }
  return now;
}

function tasksOf(tree: CallTree): Task[] {
  const tasks: Task[] = [];
  const add = (seconds: number, works: boolean, before: readonly number[]): number => {
    const id = tasks.push({ seconds, works, waits: before.length, next: [] }) - 1;
    for (const one of before) tasks[one]!.next.push(id);
    return id;
  };
  const build = (part: CallTree, before: readonly number[]): readonly number[] => {
    if ("series" in part) return part.series.reduce((ends, one) => build(one, ends), before);
    if (!("parallel" in part)) return [add(part.seconds, true, before)];
    if (part.parallel.length === 0) return before;
    // A point in between keeps all-to-all links from growing with the square.
    const from = before.length > 1 ? [add(0, false, before)] : before;
    return part.parallel.flatMap((one) => build(one, from));
  };
  build(tree, []);
  return tasks;
}

/** Most tokens that prompts and answers running at once can hold: what the caches of `workers` calls take. */
export function peakTokens(tree: CallTree, workers = Number.POSITIVE_INFINITY): number {
  const sizes = callsOf(tree).map(({ promptTokens, completionTokens }) => promptTokens + completionTokens);
  sizes.sort((a, b) => b - a);
  return sizes.slice(0, Math.min(sizes.length, workers)).reduce((sum, size) => sum + size, 0);
}

/** What a run did. Children of one `map` could run at once; everything else ran one after another, a node's own calls last. Calls that
 *  one node made itself are one entry, so programs that want exact trees make each call in a child of its own. */
export function tracedCalls(node: TraceNode): CallTree {
  const parts: CallTree[] = [];
  let group: { base: string; members: CallTree[] } | undefined;
  for (const child of node.children) {
    const base = /^(.*)\[\d+\]$/.exec(child.path)?.[1];
    if (base !== undefined && base === group?.base) {
      group.members.push(tracedCalls(child));
      continue;
    }
    group = base === undefined ? undefined : { base, members: [tracedCalls(child)] };
    parts.push(group === undefined ? tracedCalls(child) : { parallel: group.members });
  }
  const { usage } = node;
  const inner = node.children.reduce(
    (sum, child) => ({
      calls: sum.calls + child.calls,
      promptTokens: sum.promptTokens + child.usage.promptTokens,
      cachedTokens: sum.cachedTokens + child.usage.cachedTokens,
      completionTokens: sum.completionTokens + child.usage.completionTokens,
      seconds: sum.seconds + child.usage.seconds,
    }),
    { calls: 0, promptTokens: 0, cachedTokens: 0, completionTokens: 0, seconds: 0 },
  );
  if (node.calls > inner.calls) {
    parts.push({
      promptTokens: usage.promptTokens - inner.promptTokens,
      cachedTokens: usage.cachedTokens - inner.cachedTokens,
      completionTokens: usage.completionTokens - inner.completionTokens,
      seconds: usage.seconds - inner.seconds,
    });
  }
  return parts.length === 1 ? parts[0]! : { series: parts };
}
