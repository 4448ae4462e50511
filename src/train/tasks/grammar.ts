import type { RandomStream } from "../../tensor/random.js";
import { between, checkedRange, defineTask, type Example, endSymbol, pick, type Task } from "./task.js";

/** Text of a small grammar in which the verb agrees with a noun that may stand far before it: `the dogs near the cat that see +s the
 *  bird run + .` A verb is its stem and an ending, `+s` for one and `+` for several; only endings are scored, so each has exactly one
 *  right answer. Nouns of the other number in between are what a model that looks nearby falls for. Measures: phrases between subject
 *  and main verb, attractors among them, distance in symbols. */

export interface GrammarOptions {
  /** Most phrases between subject and main verb; default 2. */
  readonly phrases?: number;
  /** Most of them in the edge set `longer`; default twice as many. */
  readonly morePhrases?: number;
}

const nouns = ["dog", "cat", "bird", "child", "farmer", "teacher", "horse", "pilot"].map(
  (one) => [one, one === "child" ? "children" : `${one}s`] as const,
);
const goingVerbs = ["run", "sleep", "sing", "wait", "laugh"];
const seeingVerbs = ["see", "like", "help", "follow"];
/** By number: one, several. */
const endings = ["+s", "+"] as const;
const prepositions = ["near", "behind", "with"];
const words = [...nouns.flat(), ...goingVerbs, ...seeingVerbs, ...endings, ...prepositions, "the", "that", "."];

export function grammar(options: GrammarOptions = {}): Task {
  const { phrases = 2 } = options;
  const { morePhrases = 2 * phrases } = options;
  checkedRange("phrases of grammar", [phrases, 20]);
  checkedRange("more phrases of grammar", [phrases + 1, morePhrases]);
  return defineTask({
    name: "grammar",
    title: "verbs that agree with their nouns, near and far",
    vocabulary: [...words, endSymbol],
    longest: 6 + 5 * phrases,
    propose: (random) => sentence(random, random.below(phrases + 1), () => random.below(2)),
    inRange: ({ measures }) => (measures["phrases"] ?? 0) <= phrases,
    edges: {
      /** Every noun in between has the other number. */
      attractors: (random) => sentence(random, between(random, 1, phrases), (subject) => 1 - subject),
      longer: (random) => sentence(random, between(random, phrases + 1, morePhrases), () => random.below(2)),
    },
  });
}

/** `numberOf` gives the number of a noun between subject and main verb: 0 one, 1 several. */
function sentence(random: RandomStream, phrases: number, numberOf: (subject: number) => number): Example {
  const subject = random.below(2);
  const symbols = ["the", pick(random, nouns)[subject] as string];
  const scoredPlaces: number[] = [];
  let attractors = 0;
  let nearest = subject;
  for (let phrase = 0; phrase < phrases; phrase++) {
    const number = numberOf(subject);
    if (number !== subject) attractors += 1;
    if (random.below(2) === 0) symbols.push(pick(random, prepositions));
    else {
      // The relative clause is about the noun just before it.
      symbols.push("that", pick(random, seeingVerbs));
      scoredPlaces.push(symbols.push(endings[nearest] as string) - 1);
    }
    symbols.push("the", pick(random, nouns)[number] as string);
    nearest = number;
  }
  symbols.push(pick(random, goingVerbs));
  scoredPlaces.push(symbols.push(endings[subject] as string) - 1);
  symbols.push(".", endSymbol);
  return {
    symbols,
    scored: symbols.map((_, place) => scoredPlaces.includes(place)),
    key: symbols.join(" ").trim(),
    measures: { phrases, attractors, distance: (scoredPlaces.at(-1) as number) - 1 },
  };
}
