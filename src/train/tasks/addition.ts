import { QuireError } from "../../errors.js";
import type { RandomStream } from "../../tensor/random.js";
import { between, checkedRange, defineTask, type Example, endSymbol, question, type Task } from "./task.js";

/** Addition as people write it: `12+34=` is answered `46` and an end. One character a symbol, no zeros in front, most significant digit
 *  first: the answer can be read as it stands. Each operand has 1 to `digits` digits, every length equally often, so the one-digit
 *  sums that longer ones rest on are seen early and often; with two digits there are 10,000 sums, few enough for minutes of training
 *  and too many to be learnt one by one from what is held out. `a+b` and `b+a` fall into the same split.
 *  With `reversed` all numbers are written least significant digit first, where a carry needs only what stands before it: that is
 *  what longer numbers are learnt with. Measures: digits of the longer operand, carries. */

export interface AdditionOptions {
  /** Most digits of an operand; default 2. */
  readonly digits?: number;
  readonly reversed?: boolean;
  /** Digits of the edge set `longer`; up to so many; default twice `digits`. */
  readonly longerDigits?: number;
}

/** Sums of such numbers are still exact. */
const mostDigits = 15;

export function addition(options: AdditionOptions = {}): Task {
  const { digits = 2, reversed = false, longerDigits = 2 * digits } = options;
  checkedRange("digits of an addition", [1, digits]);
  checkedRange("digits of longer additions", [digits + 1, longerDigits]);
  if (longerDigits > mostDigits) {
    throw new QuireError("bad-option", `Numbers of ${longerDigits} digits cannot be added exactly.`, {
      got: longerDigits,
      expected: `at most ${mostDigits} digits`,
    });
  }
  const written = (value: number): string => (reversed ? [...String(value)].reverse().join("") : String(value));
  const sum = (a: number, b: number): Example =>
    question(
      `${written(a)}+${written(b)}=`,
      written(a + b),
      { digits: String(Math.max(a, b)).length, carries: carries(a, b) },
      `${Math.min(a, b)}+${Math.max(a, b)}`,
    );
  return defineTask({
    name: reversed ? "addition-reversed" : "addition",
    title: "the sum of two numbers",
    vocabulary: [..."0123456789+=", endSymbol],
    longest: 3 * digits + 4,
    propose: (random) => sum(number(random, between(random, 1, digits)), number(random, between(random, 1, digits))),
    inRange: ({ measures }) => (measures["digits"] ?? 0) <= digits,
    rare: ({ key, measures }) => /^\d\+\d{2,}$/.test(key) && measures["carries"] === measures["digits"],
    edges: {
      /** A carry out of every place: 57+68. */
      "all-carry": (random) => sum(...carrying(random, between(random, 1, digits))),
      /** A carry that runs through nines: 99+1, 996+5. */
      "carry-chain": (random) => sum(...chain(random, between(random, 1, digits))),
      zero: (random) => sum(0, number(random, between(random, 1, digits))),
      longer: (random) =>
        sum(
          number(random, between(random, digits + 1, longerDigits)),
          number(random, between(random, 1, longerDigits)),
        ),
    },
  });
}

/** A number with so many digits; with one, 0 is among them. */
function number(random: RandomStream, digits: number): number {
  return digits === 1 ? random.below(10) : between(random, 10 ** (digits - 1), 10 ** digits - 1);
}

function carrying(random: RandomStream, digits: number): [number, number] {
  let [a, b] = [0, 0];
  for (let place = 0; place < digits; place++) {
    const digit = between(random, 1, 9);
    a += digit * 10 ** place;
    b += between(random, 10 - digit, 9) * 10 ** place;
  }
  return [a, b];
}

function chain(random: RandomStream, digits: number): [number, number] {
  const last = between(random, 1, 9);
  const a = 10 ** digits - 10 + last;
  const b = between(random, 10 - last, 9);
  return random.below(2) === 0 ? [a, b] : [b, a];
}

/** How many places carry. */
export function carries(a: number, b: number): number {
  let count = 0;
  for (let [x, y, carry] = [a, b, 0]; x > 0 || y > 0 || carry > 0; ) {
    carry = (x % 10) + (y % 10) + carry >= 10 ? 1 : 0;
    count += carry;
    [x, y] = [Math.floor(x / 10), Math.floor(y / 10)];
  }
  return count;
}
