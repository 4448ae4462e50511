import { expect, it } from "vitest";
import type { Evidence } from "../corpus/select/selector.js";
import { ask } from "./ask.js";
import { runProgram } from "./run.js";
import { scriptedModel } from "./scripted-model.js";

const text = "The port of Zorb is 4711.";
const chunk: Evidence["chunk"] = {
  id: "c",
  documentId: "d",
  uri: "zorb.md",
  text,
  startByte: 0,
  endByte: text.length,
  startLine: 3,
  endLine: 4,
  header: "",
  order: 0,
};
const evidence: Evidence[] = [{ chunk, score: 1, reason: "Nearest to rationale 1.", by: "test" }];

it("calls made while choosing are booked with the answer's, held to the limits, and what happened is told", async () => {
  const model = scriptedModel(["look for ports", "It is 4711 [1]."], { parameters: 7e9 });
  const run = (limits: { calls?: number }) =>
    runProgram(
      ask({ bridges: 0 }),
      {
        question: "Which port does Zorb have?",
        select: async (query, _, { generate, onNote }) => {
          const said = await generate?.(`What to look for: ${query}`, { maxTokens: 9, temperature: 0.7, seed: 5 });
          onNote?.({ kind: "rationale", text: `${said} (led to zorb.md:3).` });
          onNote?.({ kind: "flagged", text: "Left out.", chunk });
          return evidence;
        },
      },
      { model, limits },
    );
  const { output, trace } = await run({});
  expect(output.selection).toEqual([
    { kind: "rationale", text: "look for ports (led to zorb.md:3)." },
    { kind: "flagged", text: "Left out.", file: "zorb.md", startLine: 3, endLine: 4 },
  ]);
  expect(model.requests[0]).toMatchObject({ temperature: 0.7, seed: 5, maxTokens: 9 });
  expect(output.usage.calls).toBe(2);
  expect(trace.calls).toBe(2);
  expect(output.usage.promptTokens).toBe(trace.usage.promptTokens);
  expect(output.evidence[0]?.reason).toBe("Nearest to rationale 1.");
  await expect(run({ calls: 0 })).rejects.toMatchObject({ code: "budget-exceeded" });
});

it("without a model nothing can be generated", async () => {
  const { output } = await runProgram(ask({ bridges: 0 }), {
    question: "Which port does Zorb have?",
    select: async (_, __, { generate }) => {
      expect(generate).toBeUndefined();
      return evidence;
    },
  });
  expect(output.selection).toEqual([]);
});
