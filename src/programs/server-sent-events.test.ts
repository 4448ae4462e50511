import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventStreamParser, type ServerSentEvent } from "./server-sent-events.js";

function parse(pieces: readonly Uint8Array[]): ServerSentEvent[] {
  const parser = new EventStreamParser();
  return [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()];
}

const bytes = (text: string) => new TextEncoder().encode(text);

function cut(whole: Uint8Array, at: readonly number[]): Uint8Array[] {
  const places = [...new Set(at.map((n) => n % (whole.length + 1)))].sort((a, b) => a - b);
  return [...places, whole.length].map((end, i) => whole.subarray(i === 0 ? 0 : places[i - 1], end));
}

describe("event stream", () => {
  it("reads the standard's examples", () => {
    expect(parse([bytes("data: YHOO\ndata: +2\ndata: 10\n\n")])).toEqual([{ event: "message", data: "YHOO\n+2\n10" }]);
    expect(
      parse([bytes(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n")]),
    ).toEqual([
      { event: "message", data: "first event" },
      { event: "message", data: "second event" },
      { event: "message", data: " third event" },
    ]);
    expect(parse([bytes("data\n\ndata\ndata\n\n")]).map(({ data }) => data)).toEqual(["", "\n"]);
    expect(parse([bytes("event: done\n\nevent: x\ndata: 1\n\n")])).toEqual([{ event: "x", data: "1" }]);
  });

  it("takes a byte order mark, a missing last blank line and a lone carriage return at the end", () => {
    expect(parse([bytes("\ufeffdata: a\n\ndata: b")]).map(({ data }) => data)).toEqual(["a", "b"]);
    expect(parse([bytes("data: a\r\rdata: b\r"), bytes("\r")]).map(({ data }) => data)).toEqual(["a", "b"]);
  });

  it("gives the same events for every way of cutting the bytes, and for every kind of line end", () => {
    const line = fc.string({ unit: "grapheme", maxLength: 12 }).map((text) => text.replace(/[\r\n]/g, ""));
    const event = fc.record({
      event: fc.constantFrom("", "ping", "größe"),
      lines: fc.array(line, { minLength: 1, maxLength: 3 }),
      comment: line,
    });
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 5 }),
        fc.constantFrom("\n", "\r\n", "\r"),
        fc.array(fc.nat(), { maxLength: 12 }),
        (events, end, places) => {
          const text = events
            .map(({ event: name, lines, comment }) =>
              [`:${comment}`, ...(name ? [`event: ${name}`] : []), ...lines.map((l) => `data: ${l}`), "", ""].join(end),
            )
            .join("");
          const expected = events.map(({ event: name, lines }) => ({
            event: name || "message",
            data: lines.join("\n"),
          }));
          expect(parse(cut(bytes(text), places))).toEqual(expected);
        },
      ),
      { numRuns: 400 },
    );
  });
});
