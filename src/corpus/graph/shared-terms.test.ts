import fc from "fast-check";
import { expect, test } from "vitest";
import { sharedTerms } from "./shared-terms.js";
import { buildVocabulary, wordsOf } from "./terms.js";

const word = fc.constantFrom(..."oak elm ash fir yew box bay fig nut pea rye hop".split(" "));
const texts = fc.array(
  fc.array(word, { maxLength: 8 }).map((words) => words.join(" ")),
  { maxLength: 12 },
);

test("neighbours share as many rare terms as asked, and none is left out", () => {
  fc.assert(
    fc.property(texts, fc.integer({ min: 2, max: 4 }), fc.integer({ min: 1, max: 2 }), (given, mostFrequent, least) => {
      const found = sharedTerms(buildVocabulary(given), { most: 20, mostFrequent, least });
      const sets = given.map((text) => new Set(text.split(" ").filter((one) => one !== "")));
      const frequency = (one: string) => sets.filter((set) => set.has(one)).length;
      for (const [a, own] of sets.entries()) {
        const expected = sets.flatMap((other, b) => {
          const shared = [...own].filter((one) => other.has(one) && frequency(one) <= mostFrequent);
          return a !== b && shared.length >= least ? [b] : [];
        });
        const others = Array.from(found.others.subarray(a * 20, a * 20 + found.counts[a]!));
        expect(others.sort((x, y) => x - y)).toEqual(expected);
      }
    }),
  );
});

test("words: plurals meet, names stay whole, stop words and numbers are left out", () => {
  const words = (text: string) => Array.from(wordsOf(text), ({ stem }) => stem);
  expect(words("The policies of 42 boxes and a class")).toEqual(["policy", "box", "class"]);
  expect(words("run dpkg-query on foo.conf in user_name")).toEqual(["run", "dpkg-query", "foo.conf", "user_name"]);
  expect(Array.from(wordsOf("shared library, then linker map"), ({ follows }) => follows)).toEqual([
    false,
    true,
    false,
    true,
  ]);
});
