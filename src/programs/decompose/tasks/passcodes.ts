import { type SeededRandom, seededRandom } from "../../../structure/random.js";

/** Texts about passcodes, for tasks that look for one: "The passcode to the red door is 204817." among many of other things. */

export interface PasscodeText {
  readonly text: string;
  /** "red door". */
  readonly of: string;
}

const colours = ["red", "blue", "green", "yellow", "black", "white"] as const;
const objects = ["door", "lock", "safe", "gate"] as const;

const digits = (random: SeededRandom, count: number) => Array.from({ length: count }, () => random.below(10)).join("");

/** One sentence that matters, at 5 to 55 % of the text; with `absent` none does. */
export function passcodeText(size: number, seed: number, absent = false): PasscodeText & { code: string | undefined } {
  const random = seededRandom(seed);
  const all = colours.flatMap((colour) => objects.map((object) => `${colour} ${object}`));
  const of = all.splice(random.below(all.length), 1)[0]!;
  const code = absent ? undefined : digits(random, 6);
  const needle = code === undefined ? "" : `The passcode to the ${of} is ${code}. `;
  const at = Math.floor((0.05 + 0.5 * random.uniform()) * size);
  // The others are said again and again, with the same code each time.
  const others = all.map((other) => `The passcode to the ${other} is ${digits(random, 6)}. `);
  return { text: scattered(random, size, others, [{ at, sentence: needle }]), of, code };
}

/** The six digits of one passcode in sentences of their own, in any order, among other digits of other passcodes. */
export function scatteredPasscode(size: number, seed: number): PasscodeText & { code: string } {
  const random = seededRandom(seed);
  const all = colours.flatMap((colour) => objects.map((object) => `${colour} ${object}`));
  const of = all.splice(random.below(all.length), 1)[0]!;
  const code = digits(random, 6);
  const order = ["first", "second", "third", "fourth", "fifth", "sixth"] as const;
  const sentence = (which: string, thing: string, digit: string) =>
    `The ${which} digit of the passcode to the ${thing} is ${digit}. `;
  const places = [...code].map((digit, i) => ({
    at: Math.floor((0.02 + 0.9 * random.uniform()) * size),
    sentence: sentence(order[i]!, of, digit),
  }));
  const others = all.slice(0, 8).flatMap((other) => order.map((which) => sentence(which, other, digits(random, 1))));
  return { text: scattered(random, size, others, places), of, code };
}

function scattered(
  random: SeededRandom,
  size: number,
  others: readonly string[],
  places: readonly { at: number; sentence: string }[],
): string {
  const waiting = [...places].sort((a, b) => a.at - b.at);
  let text = "";
  for (;;) {
    while (waiting.length > 0 && text.length >= waiting[0]!.at) text += waiting.shift()!.sentence;
    const noise = others[random.below(others.length)]!;
    const rest = waiting.reduce((sum, { sentence }) => sum + sentence.length, 0);
    if (text.length + noise.length + rest > size) break;
    text += noise;
  }
  return (text + waiting.map(({ sentence }) => sentence).join("")).trimEnd();
}
