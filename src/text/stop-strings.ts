/** Ends a stream of text at the first stop string. Text that may be the beginning of one is held back until that is decided; what
 *  comes out never holds any part of the stop string that ended it. The stop string that is complete first counts (of two that
 *  end together the longer one), so the result does not depend on how the text was cut into pieces. */

import { QuireError } from "../errors.js";

export interface StopStrings {
  /** Text that is certain by now. After a stop string was found, nothing more. */
  push(text: string): string;
  /** What was held back, when the stream ends by itself. */
  flush(): string;
  /** The stop string that ended the text. */
  readonly found: string | undefined;
}

const most = 64;
const longest = 4096;

export function stopStrings(stops: readonly string[]): StopStrings {
  if (stops.length > most || stops.some((stop) => typeof stop !== "string" || stop === "" || stop.length > longest)) {
    throw new QuireError("bad-option", "The stop strings cannot be used.", {
      got: stops.length > most ? `${stops.length} of them` : stops.find((stop) => stop === "" || stop.length > longest),
      expected: `at most ${most} texts of 1 to ${longest} characters`,
    });
  }
  let held = "";
  let found: string | undefined;

  const push = (text: string): string => {
    if (found !== undefined) return "";
    held += text;
    let start = held.length;
    let end = Number.POSITIVE_INFINITY;
    for (const stop of stops) {
      const at = held.indexOf(stop);
      if (at < 0 || at + stop.length > end || (at + stop.length === end && at >= start)) continue;
      start = at;
      end = at + stop.length;
      found = stop;
    }
    const certain = found === undefined ? held.length - heldBack(held, stops) : start;
    const out = held.slice(0, certain);
    held = found === undefined ? held.slice(certain) : "";
    return out;
  };

  return {
    push,
    flush() {
      const rest = held;
      held = "";
      return rest;
    },
    get found() {
      return found;
    },
  };
}

/** Length of the longest end of `text` that is the beginning of a stop string. */
function heldBack(text: string, stops: readonly string[]): number {
  let longestStart = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longestStart; length--) {
      if (text.endsWith(stop.slice(0, length))) {
        longestStart = length;
        break;
      }
    }
  }
  return longestStart;
}
