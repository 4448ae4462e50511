import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { full } from "../cache/full.js";
import { h2o } from "../cache/h2o.js";
import { Engine } from "../engine/engine.js";
import { type LoadedModel, loadModel } from "../engine/model.js";
import type { OutputPiece } from "../engine/output.js";
import { tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import { byteTokenizer } from "../text/grammar/byte-tokenizer.case.js";
import { grammarFor } from "../text/grammar/grammar.js";
import { autoregressive } from "./autoregressive.js";
import type { AnswerNotes, Channel, DecodeContext, DecodeEvent, Decoder, RowsRequest } from "./decoder.js";
import { hogwild } from "./hogwild.js";
import { createSampler } from "./sample/sampler.js";
import { endsStep } from "./workers/step-end.js";

const tokenizer = byteTokenizer();

/** Lets a decoder run with workers that say what a script says; no model. */
function play(
  decoder: Decoder,
  script: readonly string[],
  options: { limit?: number; maxTokens?: number; windowed?: boolean } = {},
) {
  const lengths = [0];
  const moves: { from: number; length: number }[] = [];
  const requests: (RowsRequest & { text: string })[] = [];
  const events: DecodeEvent[] = [];
  const notes: AnswerNotes[] = [];
  const written: string[] = [];
  const scripted = script.map((text) => tokenizer.encode(text));
  const channel = (index: number): Channel => {
    written[index] ??= "";
    notes[index] ??= {};
    const end = () => written[index]?.length === (options.maxTokens ?? 1000) || written[index] === script[index];
    return {
      sampler: {
        ...createSampler({ temperature: 0 }),
        next: (_, position) => ({ token: scripted[index]?.[position] as number, logProb: 0 }),
      },
      emit: ({ token }) => {
        written[index] += tokenizer.decode([token]);
        return index < script.length && end();
      },
      remaining: () => (options.maxTokens ?? 1000) - (written[index]?.length ?? 0),
      describe: (more) => {
        notes[index] = { ...notes[index], ...more };
      },
    };
  };
  const stats: Record<string, number> = {};
  const context: DecodeContext = {
    prompt: tokenizer.encode("The question?"),
    tokenizer,
    memory: {
      get length() {
        return lengths[0] as number;
      },
      rewind: (length) => {
        lengths[0] = length;
      },
      keepRows: () => undefined,
      blocks: {
        limit: options.limit ?? 1e6,
        windowed: options.windowed ?? false,
        open: () => lengths.push(0) - 1,
        lengthOf: (block) => lengths[block] as number,
        append: (to, from) => {
          moves.push({ from, length: lengths[to] as number });
          lengths[to] = (lengths[to] as number) + (lengths[from] as number);
          lengths[from] = 0;
        },
      },
    },
    ...channel(0),
    channel,
    watch: (event) => events.push(event),
    stats,
  };
  const generator = decoder.decode(context);
  const logits = new Float32Array(tokenizer.vocabSize);
  logits["!".charCodeAt(0)] = 1;
  for (let next = generator.next(undefined as never); next.done !== true; ) {
    const request = next.value;
    requests.push({ ...request, text: tokenizer.decode(request.tokens) });
    for (const [row] of request.tokens.entries()) {
      const view = request.sees?.kind === "views" ? request.sees.views[request.sees.of[row] as number] : [0];
      const block = view?.at(-1) as number;
      lengths[block] = (lengths[block] as number) + 1;
    }
    next = generator.next({ logits: () => logits });
  }
  return { requests, moves, events, notes, written, stats, lengths };
}

const viewsOf = ({ sees }: RowsRequest) => (sees?.kind === "views" ? sees.views : undefined);

describe("endsStep", () => {
  it.each([
    ["One.\n\n", "\n\n", true],
    ["One.\n\n", "\n", true],
    ["One.\n\nT", "\n\nT", true],
    ["One. \n\nTwo", "o", false],
    ["One\n\n", "\n\n", false],
    ["Is it?\n\n\n", "\n", true],
    ["- a list:\n\n", "\n\n", false],
    ["終わり。\n\n", "。\n\n", true],
    ["", "", false],
  ])("%j with %j last: %s", (text, piece, expected) => {
    expect(endsStep(text, piece)).toBe(expected);
  });
});

describe("hogwild", () => {
  it("reads the prompt, then headings alone, then lets workers see common, heading, others, heading, own", () => {
    const { requests, notes } = play(hogwild({ workers: "Ann+Ben" }), ["abc", "de"]);
    expect(requests[0]?.text).toMatch(/^The question\?[\s\S]*Ann and Ben[\s\S]*# Finished steps\n\n$/);
    expect(requests[0]?.sees).toBeUndefined();
    expect(viewsOf(requests[1] as RowsRequest)).toEqual([[1], [2]]);
    expect(viewsOf(requests[2] as RowsRequest)).toEqual([
      [0, 1, 4, 2, 3],
      [0, 1, 3, 2, 4],
    ]);
    expect(requests[2]?.text).toMatch(/^\*\*Ann \[1\]:\*\*.*divide.*\*\*Ben \[1\]:\*\*/s);
    expect(requests.slice(3).map(({ text }) => text)).toEqual(["ad", "b"]);
    // Who is through stays readable.
    expect(viewsOf(requests.at(-1) as RowsRequest)).toEqual([[0, 1, 4, 2, 3]]);
    expect(notes.map(({ name }) => name)).toEqual(["Ann", "Ben"]);
  });

  it("moves a finished step, and begins the next with what ended it", () => {
    const script = ["Done.\n\nNext", "Also.\n\nOn it"];
    const { requests, moves, stats, events, written } = play(hogwild(), script);
    expect(moves.map(({ from }) => from)).toEqual([3, 4]);
    expect((moves[1] as { length: number }).length).toBeGreaterThan((moves[0] as { length: number }).length);
    expect(requests.map(({ text }) => text)).toContain("\n**Alice [2]:**\n**Bob [2]:**");
    expect(stats).toMatchObject({ workers: 2, steps: 2, questions: 0, tokens0: 11, tokens1: 12 });
    expect(events.filter((event) => event.kind === "worker" && event.moved)).toHaveLength(2);
    expect(written).toEqual(script);
  });

  it("moves nothing in the contiguous layout, and shows only finished steps in the interleaved one", () => {
    const contiguous = play(hogwild({ layout: "contiguous" }), ["A.\n\nB", "C"]);
    expect(contiguous.moves).toEqual([]);
    expect(contiguous.requests.map(({ text }) => text)).toContain("\n**Alice [2]:**");
    const interleaved = play(hogwild({ layout: "interleaved" }), ["A.\n\nB", "C"]);
    expect(viewsOf(interleaved.requests[1] as RowsRequest)).toEqual([
      [0, 1],
      [0, 2],
    ]);
    expect(interleaved.moves).toHaveLength(1);
  });

  it("asks now and then whether work is done twice", () => {
    const { requests, stats } = play(hogwild({ workers: 1, checkEvery: 6 }), ["Ab.\n\nCdef.\n\nG.\n\nH"]);
    expect(stats["questions"]).toBe(1);
    expect(requests.filter(({ text }) => /\[3\]:\*\* .*yes or no/.test(text))).toHaveLength(1);
  });

  it("stops all where the pattern is met, after maxSteps, and asks for an answer otherwise", () => {
    const met = play(hogwild({ stopPattern: "= \\d+!" }), ["It is = 42! Or", "Something else"]);
    expect(met.written).toEqual(["It is = 42!", "Something e"]);
    expect(met.notes[0]).toMatchObject({ reason: "answered" });
    expect(met.requests.at(-1)?.sees).toBeDefined();
    const asked = play(hogwild({ stopPattern: "boxed\\{!!!", maxSteps: 4 }), ["A.\n\nBcdefgh", "Ijklmnop"]);
    expect(asked.written).toEqual(["A.\n\n", "Ijkl", "!!!"]);
    const question = asked.requests.find(({ text }) => text.includes("\\boxed{"))?.text ?? "";
    expect(question).toMatch(/Alice \[1\][\s\S]*A\.\n[\s\S]*Alice \[2\][\s\S]*Bob \[1\][\s\S]*Ijkl/);
    expect(asked.notes[2]).toEqual({ name: "answer" });
    expect(asked.lengths[0]).toBe(
      asked.requests.filter(({ sees }) => sees === undefined).reduce((sum, { tokens }) => sum + tokens.length, 0),
    );
    const bare = play(hogwild({ bare: true, maxSteps: 3 }), ["abcdef", "ghijkl"]);
    expect(bare.written).toEqual(["abc", "ghi"]);
    expect(bare.requests.map(({ text }) => text)).toEqual(["The question", "??", "ag", "bh"]);
  });

  it("stops whoever wrote most when the context is full, and keeps what was written", () => {
    const limit = 850;
    const { written, notes, requests, lengths } = play(hogwild(), ["x".repeat(900), "y".repeat(900)], { limit });
    expect(notes.map(({ reason }) => reason)).toEqual(["context-overflow", "context-overflow"]);
    expect(written[0]?.length).toBeGreaterThan(10);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBeLessThanOrEqual(limit);
    expect(requests.length).toBeGreaterThan(10);
  });

  it("refuses teams that cannot be, patterns that are none, and models whose layers see a window", () => {
    for (const workers of [0, 9, 1.5, "", "Ann+Ann", "Ann+", ["Ann", " "]])
      expect(() => hogwild({ workers }), String(workers)).toThrow(/workers/);
    expect(() => hogwild({ stopPattern: "(" })).toThrow(/stopPattern/);
    expect(() => play(hogwild(), ["a", "b"], { windowed: true })).toThrow(/only a window/);
    expect(() => play(hogwild({ layout: "contiguous" }), ["a", "b"], { windowed: true })).not.toThrow();
  });
});

describe.each(["llama", "qwen3", "gemma3"] as const)("hogwild on %s", (architecture) => {
  let model: LoadedModel;
  let engine: Engine;
  beforeAll(async () => {
    const tiny = await writeTinyModel(tinyShape(architecture, tokenizer.vocabSize), 3);
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
    engine = new Engine(model, tokenizer, { cacheType: "f32" });
  });
  afterAll(async () => {
    await engine.close();
    await model.close();
  });
  const layout = architecture === "gemma3" ? ("contiguous" as const) : ("combined" as const);

  interface Ask {
    decoder?: Decoder;
    maxTokens?: number;
    grammar?: string;
    signal?: AbortSignal;
    text?: string;
  }

  async function ask({ decoder = autoregressive(), maxTokens = 24, grammar, signal, text = "Once upon a time" }: Ask) {
    const masks = grammar === undefined ? undefined : grammarFor({ gbnf: grammar }, tokenizer);
    const sampler = createSampler({ temperature: 0, seed: 1 }, { mask: masks?.create() });
    const sequence = engine.start({
      prompt: tokenizer.encode(text),
      policy: full(),
      ...{ decoder, sampler, maxTokens, signal, ignoreEnd: grammar === undefined },
    });
    const pieces: OutputPiece[] = [];
    for await (const piece of sequence.pieces) pieces.push(piece);
    const channels: number[][] = [];
    for (const { token, channel = 0 } of pieces) {
      channels[channel] ??= [];
      if (token >= 0) channels[channel].push(token);
    }
    return { channels, sequence, text: pieces.map((piece) => piece.text).join("") };
  }

  it("writes with one bare worker what plain decoding writes", async () => {
    const plain = await ask({ maxTokens: 70 });
    const one = await ask({ maxTokens: 70, decoder: hogwild({ workers: 1, bare: true, layout }) });
    expect(one.channels).toEqual(plain.channels);
    // Again, where the prompt is known already.
    expect((await ask({ maxTokens: 70, decoder: hogwild({ workers: 1, bare: true, layout }) })).channels).toEqual(
      plain.channels,
    );
  });

  it("gives the same alone and beside others, holds every entry once, and gives its memory back", async () => {
    const decoder = hogwild({ workers: 3, layout, checkEvery: 8 });
    const alone = await ask({ decoder });
    expect(alone.channels.map(({ length }) => length)).toEqual([24, 24, 24]);
    expect(alone.sequence.stats.passes).toBeLessThan(30);
    const { rows } = alone.sequence.stats;
    expect(alone.sequence.stats.cacheEntries).toBe(rows + alone.sequence.stats.cachedTokens);
    const [together, plain] = await Promise.all([ask({ decoder }), ask({}), ask({ text: "Somebody else" })]);
    expect(together.channels).toEqual(alone.channels);
    expect(plain.channels).toEqual((await ask({})).channels);
    expect(engine.memory.stores).toBe(0);
  });

  it("ends in the midst when it is cancelled", async () => {
    const controller = new AbortController();
    const decoder = hogwild({ workers: 2, layout });
    const asked = ask({ decoder, maxTokens: 500, signal: controller.signal });
    setTimeout(() => controller.abort(), 30);
    await expect(asked).rejects.toMatchObject({ code: "cancelled" });
    await engine.settle((await ask({ maxTokens: 1 })).sequence);
    expect(engine.memory.stores).toBe(0);
  });

  it("lets a grammar have the last word over bans", async () => {
    const { channels } = await ask({ decoder: hogwild({ layout }), grammar: 'root ::= "##" [a-c] [a-c]' });
    for (const tokens of channels) expect(tokenizer.decode(tokens)).toMatch(/^##[a-c]{2}$/);
    expect(channels).toHaveLength(2);
  });

  it("is refused beside policies that drop", () => {
    const sampler = createSampler({ temperature: 0 });
    const request = { prompt: tokenizer.encode("a"), decoder: hogwild({ layout }), sampler, maxTokens: 4 };
    expect(() => engine.start({ ...request, policy: h2o() })).toThrow(/hogwild.*h2o/s);
  });

  it("asks for an answer at the end in ordinary text", async () => {
    const decoder = hogwild({ layout, stopPattern: "never so", finisherTokens: 5 });
    const { channels, sequence } = await ask({ decoder });
    expect(channels.map(({ length }) => length)).toEqual([24, 24, 5]);
    expect(sequence.results.map(({ notes }) => notes.name)).toEqual(["Alice", "Bob", "answer"]);
  });
});
