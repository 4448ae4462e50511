import { describe, expect, it } from "vitest";
import { QuireError } from "../errors.js";
import type { Program } from "../programs/program.js";
import { read } from "../programs/read.js";
import type { ReadChunk } from "../programs/read-parts.js";
import { runProgram } from "../programs/run.js";
import { scriptedModel } from "../programs/scripted-model.js";
import { advance } from "./advance.js";
import type { CallOutcome } from "./job.js";

const chunks: ReadChunk[] = Array.from({ length: 9 }, (_, i) => {
  const text = `Paragraph ${i}. ${`word${i} `.repeat(80)}`;
  return {
    uri: "book.txt",
    text,
    startByte: i * 1000,
    endByte: i * 1000 + text.length,
    startLine: i + 1,
    endLine: i + 1,
  };
});
const input = { instruction: "Summarise", chunks };
const script = () =>
  scriptedModel(({ messages }) => `${messages[0]!.content.length} ${messages[0]!.content.slice(0, 30)}`, {
    contextTokens: 1000,
  });

/** Answers what is needed until nothing is, as workers would, one call after the other. */
async function inTurns<Input, Output>(
  program: Program<Input, Output>,
  given: Input,
  model = script(),
  answer = async (request: Parameters<typeof model.generate>[0]): Promise<CallOutcome> => ({
    generation: await model.generate(request),
  }),
) {
  const outcomes = new Map<string, CallOutcome>();
  const waves: number[] = [];
  for (;;) {
    const turn = await advance(program, given, { model, outcomes });
    if (turn.done) return { ...turn, waves };
    waves.push(turn.needed.size);
    for (const [key, request] of turn.needed) outcomes.set(key, await answer(request));
  }
}

describe("a program in turns", () => {
  it("gives what it gives in one go, with the same calls, level after level", async () => {
    const program = read({ part: 120, answer: 40, group: 3 });
    const model = script();
    const whole = await runProgram(program, input, { model, parallel: 4 });
    const turns = await inTurns(program, input);
    expect(turns.output).toEqual(whole.output);
    expect(turns.cost.calls).toBe(whole.trace.calls);
    expect(turns.cost.promptTokens).toBe(whole.trace.usage.promptTokens);
    expect(turns.cost.completionTokens).toBe(whole.trace.usage.completionTokens);
    expect(turns.waves).toEqual([9, 3, 1]);
  });

  it("asks equal calls once, and seeds by place", async () => {
    const twice: Program<undefined, string[]> = {
      kind: "program",
      name: "twice",
      label: "twice",
      run: (_, context) =>
        context.map("ask", [0, 0.5, 0, 0.5], async (temperature, inner) => {
          const messages = [{ role: "user" as const, content: "Hello" }];
          return (await inner.ask({ messages, maxTokens: 5, temperature })).text;
        }),
    };
    const { waves, cost, output } = await inTurns(twice, undefined);
    expect(waves).toEqual([3]);
    expect([cost.calls, output.length]).toEqual([3, 4]);
  });

  it("hands a call's error to the program that asked", async () => {
    const overflow = new QuireError("context-overflow", "Too long.");
    const model = script();
    const turns = await inTurns(read({ part: 400, answer: 40 }), input, model, async (request) => {
      const long = model.countTokens(request.messages[0]!.content) > 200;
      return long ? { error: overflow.toJSON() as never } : { generation: await model.generate(request) };
    });
    expect(turns.output.parts.length).toBeGreaterThan(3);
    const bytes = chunks.reduce((sum, { startByte, endByte }) => sum + endByte - startByte, 0);
    expect(turns.output.read.bytes).toBe(bytes);
  });

  it("fails with the program's error, and stops on request", async () => {
    await expect(
      advance(read(), { instruction: "x", chunks: [] }, { model: script(), outcomes: new Map() }),
    ).rejects.toMatchObject({ code: "bad-input" });
    const stopped = advance(read(), input, { model: script(), outcomes: new Map(), signal: AbortSignal.abort() });
    await expect(stopped).rejects.toMatchObject({ code: "cancelled" });
  });
});
