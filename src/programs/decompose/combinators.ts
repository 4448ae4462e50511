import { QuireError } from "../../errors.js";
import { neighbours } from "../map-reduce.js";
import type { ProgramContext } from "../program.js";

/** The ways to take a task apart. Each runs over a program's context, so that calls, tokens and time are booked, limits and stops
 *  hold, a failure carries what was ready, and a run that is started again with its log repeats nothing. */

/** Every part by itself, then everything together by a plain function: one round of calls. */
export async function parallel<Part, Value, Result>(
  context: ProgramContext,
  name: string,
  parts: readonly Part[],
  each: (part: Part, context: ProgramContext, index: number) => Promise<Value>,
  join: (values: readonly Value[]) => Result,
): Promise<Result> {
  return join(await context.map(name, parts, each));
}

/** Values joined by calls in groups of at most `group` neighbours, round by round, until one is left. A group of one needs no call. */
export async function hierarchical<Value>(
  context: ProgramContext,
  name: string,
  values: readonly Value[],
  group: number,
  join: (members: readonly Value[], context: ProgramContext) => Promise<Value>,
): Promise<Value | undefined> {
  let left = [...values];
  for (let round = 1; left.length > 1; round++) {
    left = await context.map(`${name}-${round}`, neighbours(left, group), (members, inner) =>
      members.length === 1 ? Promise.resolve(members[0]!) : join(members, inner),
    );
  }
  return left[0];
}

/** Solves a thing by solving what it rests on. Nothing is solved twice; what rests on itself is an error that names the circle. */
export async function recursive<Key extends string | number, Value>(
  context: ProgramContext,
  name: string,
  start: Key,
  solve: (key: Key, solveOther: (other: Key) => Promise<Value>, context: ProgramContext) => Promise<Value>,
): Promise<Value> {
  const known = new Map<Key, Value>();
  const visit = async (key: Key, path: readonly Key[], outer: ProgramContext): Promise<Value> => {
    if (known.has(key)) return known.get(key)!;
    const at = path.indexOf(key);
    if (at >= 0) {
      const circle = [...path.slice(at), key].join(" → ");
      throw new QuireError("bad-input", `${String(key)} rests on itself: ${circle}.`, {
        got: circle,
        expected: "definitions without a circle",
      });
    }
    const value = await outer.child(`${name} ${String(key)}`, (inner) =>
      solve(key, (other) => visit(other, [...path, key], inner), inner),
    );
    known.set(key, value);
    return value;
  };
  return visit(start, [], context);
}

/** Rounds over a state until one gives a result or changes nothing; undefined after `most` rounds without one. */
export async function iterate<State, Result>(
  context: ProgramContext,
  name: string,
  start: State,
  most: number,
  round: (
    state: State,
    context: ProgramContext,
    round: number,
  ) => Promise<{ state: State } | { result: Result } | "stuck">,
): Promise<{ result: Result | undefined; rounds: number; state: State }> {
  let state = start;
  for (let done = 1; done <= most; done++) {
    const got = await context.child(`${name}-${done}`, (inner) => round(state, inner, done));
    if (got === "stuck") return { result: undefined, rounds: done, state };
    if ("result" in got) return { result: got.result, rounds: done, state };
    state = got.state;
  }
  return { result: undefined, rounds: most, state };
}
