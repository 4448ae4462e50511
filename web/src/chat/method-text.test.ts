import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseMethodString } from "../../../src/method.js";
import { parseChoice, writeChoice } from "./method-text.js";

const word = fc.stringMatching(/^[a-z][a-z0-9]{0,6}$/);
const value = fc.oneof(word, fc.nat().map(String), fc.constantFrom("0.2", "true", "-3"));

describe("a chosen method's text", () => {
  it("reads back as it was written", () => {
    fc.assert(
      fc.property(word, fc.dictionary(word, value), (name, options) => {
        const choice = parseChoice(writeChoice({ name, options }));
        expect(choice.name).toBe(name);
        expect({ ...choice.options }).toEqual({ ...options });
      }),
    );
  });

  it("is what the server reads", () => {
    fc.assert(
      fc.property(word, fc.dictionary(word, value), (name, options) => {
        const read = parseMethodString(writeChoice({ name, options }));
        expect(read.name).toBe(name);
        expect(Object.keys(read.options).sort()).toEqual(Object.keys(options).sort());
      }),
    );
  });

  it("leaves empty options out", () => {
    expect(writeChoice({ name: "window", options: { budget: "", sinks: "4" } })).toBe("window:sinks=4");
  });
});
