import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventParser, readEvents, type ServerEvent } from "./event-stream.js";

const line = fc.string({ maxLength: 12 }).map((text) => text.replace(/[\r\n]/g, "."));
const event = fc.record({
  event: fc.constantFrom("message", "pass", "text"),
  data: fc.array(line, { minLength: 1, maxLength: 3 }).map((lines) => lines.join("\n")),
});

function written({ event, data }: ServerEvent, end: string): string {
  const head = event === "message" ? "" : `event: ${event}${end}`;
  return `${head}${data
    .split("\n")
    .map((part) => `data: ${part}${end}`)
    .join("")}${end}`;
}

describe("EventParser", () => {
  it("gives the same events however the text is cut", () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 6 }),
        fc.constantFrom("\n", "\r\n"),
        fc.array(fc.nat({ max: 400 }), { maxLength: 12 }),
        (events, end, cuts) => {
          const text = events.map((one) => written(one, end)).join("");
          const places = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
          const parser = new EventParser();
          const read = places.slice(1).flatMap((place, index) => parser.push(text.slice(places[index], place)));
          expect(read).toEqual(events);
        },
      ),
    );
  });

  it("skips comments and events without data", () => {
    const parser = new EventParser();
    expect(parser.push(": ping\n\nevent: empty\n\ndata: x\n\n")).toEqual([{ event: "message", data: "x" }]);
  });

  it("takes a field without a space or a colon", () => {
    expect(new EventParser().push("data:x\ndata\n\n")).toEqual([{ event: "message", data: "x\n" }]);
  });
});

describe("readEvents", () => {
  it("joins characters whose bytes came apart, and gives an event that was not closed", async () => {
    const bytes = new TextEncoder().encode("data: é\n\ndata: last");
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const read: string[] = [];
    for await (const { data } of readEvents(body)) read.push(data);
    expect(read).toEqual(["é", "last"]);
  });
});
