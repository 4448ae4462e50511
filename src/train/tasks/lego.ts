import type { RandomStream } from "../../tensor/random.js";
import { between, checkedRange, defineTask, type Example, pick, type Task } from "./task.js";

/** LEGO: a chain of signed variables with its clauses shuffled, `a=+1 e=+b b=-a`, then every variable of the chain in order with its
 *  value. The value at place n rests on n clauses; `a=+1` and `b=-a` are one symbol each. Values are scored. Measures: variables.
 *  Accuracy by place in the chain tells how many steps a model resolves in one pass: the values said before are read too, so give
 *  `hidden` to ask only for one variable, and nothing before it. */

export interface LegoOptions {
  /** Default 4 to 12. */
  readonly variables?: readonly [number, number];
  /** Longest chain of the edge set `longer`; default the most and four more. */
  readonly longest?: number;
  /** Ask for one variable only, its place in the chain drawn; the measure `place` says which. */
  readonly hidden?: boolean;
}

const mostVariables = 20;

export function lego(options: LegoOptions = {}): Task {
  const { variables = [4, 12], hidden = false } = options;
  const { longest = variables[1] + 4 } = options;
  checkedRange("variables of lego", variables, 2);
  checkedRange("variables of longer lego chains", [variables[1] + 1, longest]);
  checkedRange("variables of lego", [longest, mostVariables]);
  const names = Array.from({ length: longest }, (_, i) => String.fromCharCode(97 + i));
  const signs = ["+", "-"];
  const draw = (random: RandomStream, count: number, from: readonly string[], place?: number): Example =>
    chain(
      random,
      random.shuffled(names).slice(0, count),
      Array.from({ length: count }, () => pick(random, from)),
      hidden ? (place ?? random.below(count)) : undefined,
    );
  return defineTask({
    name: hidden ? "lego-hidden" : "lego",
    title: "signs along a chain of variables",
    vocabulary: [
      ...names.flatMap((name) => signs.map((sign) => `${name}=${sign}1`)),
      ...names.flatMap((name) =>
        names.flatMap((of) => (of === name ? [] : signs.map((sign) => `${name}=${sign}${of}`))),
      ),
      ...names.map((name) => `${name}?`),
      "+1",
      "-1",
    ],
    longest: hidden ? variables[1] + 2 : 3 * variables[1],
    propose: (random) => draw(random, between(random, ...variables), signs),
    inRange: ({ measures }) => (measures["variables"] ?? 0) <= variables[1],
    edges: {
      longer: (random) => draw(random, between(random, variables[1] + 1, longest), signs),
      /** Every clause turns the sign. */
      "all-minus": (random) => draw(random, between(random, ...variables), ["-"]),
      ...(hidden
        ? {
            "chain-end": (random: RandomStream) => {
              const count = between(random, ...variables);
              return draw(random, count, signs, count - 1);
            },
          }
        : {}),
    },
  });
}

function chain(
  random: RandomStream,
  names: readonly string[],
  signs: readonly string[],
  only: number | undefined,
): Example {
  const clauses = names.map((name, i) => `${name}=${signs[i]}${i === 0 ? "1" : names[i - 1]}`);
  let minus = false;
  const values = signs.map((sign) => {
    minus = minus !== (sign === "-");
    return minus ? "-1" : "+1";
  });
  const asked = names.map((name, i) => [`${name}?`, values[i] as string] as const);
  const said = only === undefined ? asked : asked.slice(only, only + 1);
  const symbols = [...random.shuffled(clauses), ...said.flat()];
  const scored = symbols.map((_, place) => place >= clauses.length && (place - clauses.length) % 2 === 1);
  return {
    symbols,
    scored,
    key: clauses.join(" "),
    measures: { variables: names.length, ...(only === undefined ? {} : { place: only + 1 }) },
  };
}
