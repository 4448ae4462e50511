import { describe, expect, it } from "vitest";
import type { EngineClient, EngineJob, EnginePiece, EngineResult } from "../engine/client.js";
import { echoEngine } from "../engine/echo-engine.js";
import { type Json, json, readEvents, testApp } from "../test-app.case.js";

/** An engine whose answers are "a", "bb", "ccc", ... one token a turn each, as a decoder that draws them side by side gives them. */
function manyAnswers(jobs: EngineJob[], missing = 0): EngineClient {
  const echo = echoEngine();
  return {
    ...echo,
    async *generate(job: EngineJob): AsyncGenerator<EnginePiece, EngineResult> {
      jobs.push(job);
      const count = Number(/width=(\d+)/.exec(job.options.decoder ?? "")?.[1] ?? 1) - missing;
      const texts = Array.from({ length: count }, (_, i) => String.fromCharCode(97 + i).repeat(i + 1));
      for (let at = 0; at < count; at++) {
        for (const [channel, text] of texts.entries()) {
          if (at >= text.length) continue;
          const piece = { text: text[at] as string, token: text.charCodeAt(at), logProb: -1 };
          yield channel === 0 ? piece : { ...piece, channel };
        }
      }
      const answers = texts.map((text, i) => ({
        ...{ text, tokens: [...text].map((letter) => letter.charCodeAt(0)), logProb: -text.length },
        ...{ path: [0, i + 1], weight: 1 / count, reason: i === 1 ? "depth" : "end" },
        finishReason: i === 1 ? ("length" as const) : ("stop" as const),
      }));
      return {
        ...{ finishReason: "stop", tokens: answers[0]?.tokens ?? [], answers },
        usage: {
          ...{ promptTokens: job.prompt.length, cachedTokens: 0, droppedTokens: 0 },
          ...{ completionTokens: (count * (count + 1)) / 2, secondsToFirstToken: 0, seconds: 0 },
        },
        stats: {
          passes: count,
          tokensPerPass: 1,
          decode: {},
          cache: { entries: 0, bytes: 0, peakBytes: 0, policy: {} },
        },
      };
    },
  };
}

const open = async (missing = 0) => {
  const jobs: EngineJob[] = [];
  const { post } = await testApp({}, { engine: manyAnswers(jobs, missing) });
  return { post, jobs };
};
const texts = (body: Json) => body.choices.map(({ text, message }: Json) => text ?? message.content);
const messages = [{ role: "user", content: "x" }];

describe("answers drawn side by side", () => {
  it("are the choices of one generation", async () => {
    const { post, jobs } = await open();
    const asked = { n: 3, quire: { decoder: "treepo:segment=4" } };
    const completed = await json(await post("/v1/completions", { prompt: "ab", ...asked }));
    expect(texts(completed)).toEqual(["a", "bb", "ccc"]);
    expect(completed.choices[1]).toMatchObject({
      index: 1,
      finish_reason: "length",
      quire: { path: [0, 2], reason: "depth", log_probability: -2 },
    });
    expect(completed.usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 6 });
    const chat = await json(await post("/v1/chat/completions", { messages, ...asked }));
    expect(texts(chat)).toEqual(["a", "bb", "ccc"]);
    expect(chat.choices.map(({ finish_reason: reason }: Json) => reason)).toEqual(["stop", "length", "stop"]);
    expect(chat.choices[2].quire.weight).toBeCloseTo(1 / 3, 12);
    expect(chat.usage.completion_tokens).toBe(6);
    expect(jobs.map(({ options }) => options.decoder)).toEqual(new Array(2).fill("treepo:segment=4,width=3"));
  });

  it("are as many as the decoder says where n is left out, for each prompt", async () => {
    const { post, jobs } = await open();
    const body = { prompt: ["x", "yz"], quire: { decoder: "independent:width=2" } };
    const completed = await json(await post("/v1/completions", body));
    expect(texts(completed)).toEqual(["a", "bb", "a", "bb"]);
    expect(completed.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 6 });
    expect(jobs).toHaveLength(2);
    expect(texts(await json(await post("/v1/completions", { prompt: "x", quire: { decoder: "treepo" } })))).toEqual([
      "a",
    ]);
  });

  it("are streamed as they grow", async () => {
    const { post } = await open();
    for (const [path, body] of [
      ["/v1/completions", { prompt: "x" }],
      ["/v1/chat/completions", { messages }],
    ] as const) {
      const asked = { ...body, n: 3, stream: true, quire: { decoder: "treepo" } };
      const events = await readEvents(await post(path, asked));
      const chunks = events.slice(0, -1).map(({ data }) => JSON.parse(data) as Json);
      const made = ["", "", ""];
      const ends: Json[] = [];
      for (const { choices } of chunks) {
        for (const { index, text, delta, finish_reason: reason, quire } of choices) {
          made[index] += text ?? delta.content ?? "";
          if (reason !== null) ends[index] = { reason, weight: quire.weight };
        }
      }
      expect(made).toEqual(["a", "bb", "ccc"]);
      expect(ends.map(({ reason }) => reason)).toEqual(["stop", "length", "stop"]);
    }
  });

  it("are empty where the decoder gave fewer", async () => {
    const { post } = await open(1);
    const body = { prompt: "x", n: 3, quire: { decoder: "treepo:fallback=none" } };
    const { choices } = await json(await post("/v1/completions", body));
    expect(choices.map(({ text, finish_reason: reason }: Json) => [text, reason])).toEqual([
      ["a", "stop"],
      ["bb", "length"],
      ["", "stop"],
    ]);
  });

  it.each([
    [{ n: 4, quire: { decoder: "treepo:width=3" } }, "n"],
    [{ quire: { decoder: "treepo:width=17" } }, "quire.decoder"],
    [{ n: 2, quire: { decoder: "treepo:firstMax=4" } }, "quire.decoder"],
    [{ n: 2, temperature: 0, quire: { decoder: "treepo" } }, "temperature"],
    [{ quire: { decoder: "treepo:width=0" } }, "quire.decoder"],
  ])("refuses %j", async (asked, param) => {
    const { post } = await open();
    for (const [path, body] of [
      ["/v1/completions", { prompt: "x" }],
      ["/v1/chat/completions", { messages }],
    ] as const) {
      const response = await post(path, { ...body, ...asked });
      expect(response.status).toBe(400);
      expect((await json(response)).error.param).toBe(param);
    }
  });

  it("refuses tools beside them", async () => {
    const { post } = await open();
    const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
    const response = await post("/v1/chat/completions", { messages, tools, n: 2, quire: { decoder: "treepo" } });
    expect(response.status).toBe(400);
    expect((await json(response)).error.param).toBe("tools");
  });
});
