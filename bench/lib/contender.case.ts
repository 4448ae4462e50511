import type { Contender } from "./contender.js";

/** A contender for tests: adds to the number it was loaded with. */

let base = 0;

export const contender: Contender<number, number, { sum: number; pid: number }> = {
  async load(number) {
    base = number;
    return { adder: "1" };
  },
  async run(number) {
    if (number < 0) throw new Error("negative");
    return { sum: base + number, pid: process.pid };
  },
  async close() {},
};
