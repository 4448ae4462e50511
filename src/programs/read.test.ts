import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utf8Length } from "../corpus/lines.js";
import { isQuireError, QuireError } from "../errors.js";
import type { GenerationRequest } from "./language-model.js";
import { joinsPerLevel, mapReduce, neighbours } from "./map-reduce.js";
import { planRead, read } from "./read.js";
import { packParts, partText, type ReadChunk } from "./read-parts.js";
import { memoryReplayLog } from "./replay-log.js";
import { runProgram } from "./run.js";
import { countWords, scriptedModel } from "./scripted-model.js";

/** Chunks of one document each, cut at the given lengths. */
function chunksOf(uri: string, text: string, lengths: readonly number[] = []): ReadChunk[] {
  const out: ReadChunk[] = [];
  let at = 0;
  const add = (end: number) => {
    const piece = text.slice(at, end);
    if (piece === "") return;
    const before = text.slice(0, at);
    const startByte = utf8Length(before);
    const startLine = before.split("\n").length;
    const endLine = startLine + piece.trimEnd().split("\n").length - 1;
    out.push({ uri, text: piece, startByte, endByte: startByte + utf8Length(piece), startLine, endLine });
    at = end;
  };
  for (const length of lengths) add(Math.min(text.length, at + Math.max(1, length)));
  add(text.length);
  return out;
}

const book = (words: number) => Array.from({ length: words }, (_, i) => `w${i}${i % 9 === 8 ? ".\n" : ""}`).join(" ");
const lastLine = ({ messages }: GenerationRequest) => messages.at(-1)?.content ?? "";

describe("parts", () => {
  it("hold everything, once, in order, and fit", () => {
    const documents = fc.array(
      fc.tuple(
        fc.string({ unit: "grapheme", maxLength: 200 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 4 }),
      ),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(documents, fc.integer({ min: 20, max: 80 }), (texts, most) => {
        // Cuts between the halves of a pair would not be a chunker's.
        const whole = texts.map(([text]) => text.replace(/[\ud800-\udfff]/g, "𝄞"));
        const chunks = whole.flatMap((text, i) =>
          chunksOf(`d${i}`, text, text.includes("𝄞") ? [] : (texts[i]?.[1] ?? [])),
        );
        const parts = packParts(chunks, most, countWords);
        whole.forEach((text, i) => {
          const pieces = parts.flatMap((part) => part.chunks).filter(({ uri }) => uri === `d${i}`);
          expect(pieces.map((piece) => piece.text).join("")).toBe(text);
          let byte = 0;
          for (const piece of pieces) {
            expect(piece.startByte).toBe(byte);
            byte += utf8Length(piece.text);
            expect(piece.endByte).toBe(byte);
          }
        });
        for (const part of parts) expect(countWords(partText(part))).toBeLessThanOrEqual(most);
      }),
      { numRuns: 300 },
    );
  });

  it("knows the lines of what it cuts, and cuts at blank lines before lines before sentences", () => {
    const text = `${"one two three.\n".repeat(6)}\n${"four five six.\n".repeat(6)}`;
    const parts = packParts(chunksOf("a", text), 40, countWords);
    expect(parts.map(({ chunks }) => chunks.map(({ startLine, endLine }) => [startLine, endLine]))).toEqual([
      [[1, 7]],
      [[8, 13]],
    ]);
  });
});

describe("map and reduce", () => {
  it("needs the joins it says, for all sizes", () => {
    expect(joinsPerLevel(1, 10)).toEqual([]);
    expect(joinsPerLevel(10, 10)).toEqual([1]);
    expect(joinsPerLevel(11, 10)).toEqual([2, 1]);
    expect(joinsPerLevel(100, 10)).toEqual([10, 1]);
    fc.assert(
      fc.property(fc.nat(300), fc.integer({ min: 2, max: 12 }), (count, group) => {
        const groups = neighbours([...Array(count).keys()], group);
        expect(groups.flat()).toEqual([...Array(count).keys()]);
        for (const members of groups) expect(members.length).toBeLessThanOrEqual(group);
        for (const members of groups) expect(members.length).toBeGreaterThan(0);
      }),
    );
  });

  it("keeps the order and counts its progress to the end", async () => {
    const trial = { kind: "program", name: "trial", label: "trial" } as const;
    for (const count of [0, 1, 2, 7, 30]) {
      const seen: { done: number; total: number }[] = [];
      const { output } = await runProgram(
        {
          ...trial,
          run: (_: null, context) =>
            mapReduce<number, string>(context, {
              items: [...Array(count).keys()],
              group: 3,
              map: async (item) => [String(item)],
              reduce: async (results) => results.join(","),
              onProgress: (progress) => seen.push(progress),
            }),
        },
        null,
        { parallel: 4 },
      );
      expect(output).toBe(count === 0 ? undefined : [...Array(count).keys()].join(","));
      if (count > 0) expect(seen.at(-1)?.done).toBe(seen.at(-1)?.total);
    }
  });
});

describe("read", () => {
  const settings = { answer: 20, part: 100, group: 3 };

  it("reads every word, joins level by level, and takes just what its plan says", async () => {
    const chunks = [...chunksOf("a.txt", book(500), [300, 300, 300]), ...chunksOf("b.txt", book(333))];
    const model = scriptedModel((request) => `n ${lastLine(request).match(/w\d+/g)?.length ?? 0}`, {
      contextTokens: 400,
    });
    const plan = planRead({ instruction: "Summarise.", chunks }, model, settings);
    const progress: { done: number; total: number }[] = [];
    const streamed: string[] = [];
    const { output, trace } = await runProgram(
      read(settings),
      {
        instruction: "Summarise.",
        chunks,
        onProgress: (one) => progress.push(one),
        onText: (text) => streamed.push(text),
      },
      { model, parallel: 2, limits: { calls: plan.calls, tokens: plan.promptTokens + plan.completionTokens } },
    );
    expect(plan.levels.length).toBeGreaterThan(2);
    expect(model.requests).toHaveLength(plan.calls);
    expect(trace.calls).toBe(plan.calls);
    expect(trace.usage.promptTokens).toBeLessThanOrEqual(plan.promptTokens);
    expect(progress.at(-1)).toEqual({ done: plan.calls, total: plan.calls });
    expect(streamed.join("")).toBe(output.answer);
    const asked = model.requests.map(lastLine).join("\n");
    for (const word of new Set(book(500).match(/w\d+/g))) expect(asked).toContain(word);
    expect(output.read).toEqual({
      documents: 2,
      bytes: utf8Length(book(500)) + utf8Length(book(333)),
      tokens: output.parts.reduce((sum, { tokens }) => sum + tokens, 0),
    });
    for (const part of output.parts) expect(part.tokens).toBeLessThanOrEqual(100);
  });

  it("takes one call for what fits, and streams it", async () => {
    const model = scriptedModel(["All of it."]);
    const streamed: string[] = [];
    const { output } = await runProgram(
      read(),
      { instruction: "Summarise", chunks: chunksOf("a", "short text"), onText: (text) => streamed.push(text) },
      { model },
    );
    expect(model.requests).toHaveLength(1);
    expect(lastLine(model.requests[0] as GenerationRequest)).toBe("=== a ===\nshort text\n\nSummarise");
    expect([output.answer, streamed.join("")]).toEqual(["All of it.", "All of it."]);
  });

  it("passes over parts that have nothing to say, but reports them", async () => {
    const chunks = chunksOf("a.txt", book(900));
    for (const holding of [1, 2, 0]) {
      const streamed: string[] = [];
      const model = scriptedModel((request, call) =>
        lastLine(request).startsWith("Answer 1:") ? "joined" : call < holding ? `found ${call}` : "NOTHING.",
      );
      const { output } = await runProgram(
        read(settings),
        { instruction: "Who was it?", chunks, onText: (text) => streamed.push(text) },
        { model },
      );
      const answer = ["Nothing in what was read answers this.", "found 0", "joined"][holding];
      expect([output.answer, streamed.join("")]).toEqual([answer, answer]);
      expect(output.unsupported).toBe(holding === 0);
      expect(output.parts.filter(({ empty }) => empty)).toHaveLength(output.parts.length - holding);
      expect(output.read.bytes).toBe(utf8Length(book(900)));
    }
  });

  it("halves parts the model finds too long, and loses nothing by it", async () => {
    const inner = scriptedModel((request) => (lastLine(request).match(/w\d+/g) ?? []).join(" "), {
      contextTokens: 5000,
    });
    const model: typeof inner = Object.create(inner, {
      generate: {
        value: async (request: GenerationRequest) => {
          if (/=== a/.test(lastLine(request)) && (lastLine(request).match(/w\d+/g)?.length ?? 0) > 40) {
            throw new QuireError("context-overflow", "too long");
          }
          return inner.generate(request);
        },
      },
    });
    const chunks = chunksOf("a.txt", book(300), [book(100).length + 1, book(90).length]);
    const { output } = await runProgram(read({ answer: 50, part: 100 }), { instruction: "Copy", chunks }, { model });
    expect(output.parts.length).toBeGreaterThan(7);
    expect(output.parts.map(({ answer }) => answer).join(" ")).toBe((book(300).match(/w\d+/g) ?? []).join(" "));
    expect(output.read.bytes).toBe(utf8Length(book(300)));
  });

  it("goes on where it stopped", async () => {
    const log = memoryReplayLog();
    const chunks = chunksOf("a.txt", book(900));
    const failing = scriptedModel((_, call) =>
      call === 4 ? { error: new QuireError("network", "down") } : `part ${call}`,
    );
    const input = { instruction: "Summarise", chunks };
    const error = await runProgram(read(settings), input, { model: failing, log }).catch((caught: unknown) => caught);
    expect(isQuireError(error) && error.code).toBe("network");
    const plan = planRead(input, failing, settings);
    const again = scriptedModel((_, call) => `rest ${call}`);
    const { trace } = await runProgram(read(settings), input, { model: again, log });
    expect(again.requests).toHaveLength(plan.calls - 4);
    expect(trace.replayed).toBe(4);
    const idle = scriptedModel(["never"]);
    await runProgram(read(settings), input, { model: idle, log });
    expect(idle.requests).toHaveLength(0);
  });

  it("refuses what cannot be read or done, with the reason", async () => {
    const model = scriptedModel(["x"], { contextTokens: 120 });
    const run = (instruction: string, text: string, answer = 16) =>
      runProgram(read({ answer }), { instruction, chunks: chunksOf("a", text) }, { model }).then(
        () => "done",
        (error: unknown) => (isQuireError(error) ? error.code : error),
      );
    expect(await run("", "text")).toBe("bad-input");
    expect(await run("Summarise", "")).toBe("bad-input");
    expect(await run("Summarise", "text", 90)).toBe("context-overflow");
    expect(await run("Summarise", "text")).toBe("done");
  });
});
