import { type DigitsOptions, digitsTask } from "./copy.js";
import type { Task } from "./task.js";

/** Reverse: `4071=` is answered `1704`. The distance to what must be said next grows by two with every digit. Measures: length. */
export function reverse(options: DigitsOptions = {}): Task {
  return digitsTask("reverse", "the digits backwards", (digits) => [...digits].reverse().join(""), options);
}
