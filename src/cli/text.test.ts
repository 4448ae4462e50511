import fc from "fast-check";
import { expect, test } from "vitest";
import { bytes, oneLine, seconds, table, visibleLength, wrap } from "./layout.js";
import { hasColour, styleFor } from "./style.js";
import { WrapStream } from "./wrap-stream.js";

/** Layout, wrapping and colours. */

const prose = fc.array(fc.stringMatching(/^[a-zé世]{1,14}$/), { maxLength: 60 }).map((words) => words.join(" "));

test("streamed text wraps as whole text does, however it is cut into pieces", () => {
  fc.assert(
    fc.property(prose, fc.integer({ min: 8, max: 40 }), fc.integer({ min: 1, max: 9 }), (text, width, piece) => {
      const stream = new WrapStream(width);
      let out = "";
      for (let at = 0; at < text.length; at += piece) out += stream.push(text.slice(at, at + piece));
      out += stream.end();
      expect(out).toBe(wrap(text, width).join("\n"));
      for (const line of out.split("\n")) {
        if (line.includes(" ")) expect(visibleLength(line)).toBeLessThanOrEqual(width);
      }
    }),
  );
});

test("streamed text keeps its own line breaks and indents", () => {
  const stream = new WrapStream(20);
  const out = stream.push("- one\n  - two\n\nthree ") + stream.end();
  expect(out).toBe("- one\n  - two\n\nthree");
});

test("one line is never wider than asked, and says when it was cut", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 80 }), fc.integer({ min: 2, max: 40 }), (text, width) => {
      const line = oneLine(text, width);
      expect(visibleLength(line)).toBeLessThanOrEqual(width);
      expect(line).not.toContain("\n");
      const flat = text.replace(/\s+/g, " ").trim();
      if (line !== flat) expect(line.endsWith("…")).toBe(true);
    }),
  );
});

test("columns line up, colours and wide characters included", () => {
  const { bold } = styleFor({ isTTY: true }, {});
  expect(
    table(
      [
        ["a", "10"],
        [bold("bb"), "7"],
        ["世", "1"],
      ],
      [1],
    ),
  ).toEqual(["a   10", `${bold("bb")}   7`, "世   1"]);
});

test("colours follow the terminal and the user's wish", () => {
  expect(hasColour({ isTTY: true }, {})).toBe(true);
  expect(hasColour({ isTTY: false }, {})).toBe(false);
  expect(hasColour({ isTTY: true }, { NO_COLOR: "1" })).toBe(false);
  expect(hasColour({ isTTY: true }, { NO_COLOR: "" })).toBe(true);
  expect(hasColour({ isTTY: true }, { TERM: "dumb" })).toBe(false);
  expect(hasColour({ isTTY: false }, { FORCE_COLOR: "1" })).toBe(true);
});

test("figures", () => {
  expect([0, 999, 1000, 98_362_432, 2_500_000_000].map(bytes)).toEqual(["0 B", "999 B", "1.0 kB", "98 MB", "2.5 GB"]);
  expect([0.04, 12.4, 125].map(seconds)).toEqual(["0.0 s", "12 s", "2 min 5 s"]);
});
