import { describe, expect, it } from "vitest";
import { QuireError } from "../errors.js";
import { endpointScoring, type ScoringEndpoint, tokenPlaces } from "./endpoint-scoring.js";

type Sent = { path: string; body: Record<string, unknown> };

function endpoint(reply: (sent: Sent) => unknown): ScoringEndpoint & { sent: Sent[] } {
  const sent: Sent[] = [];
  return {
    ...{ connection: { baseUrl: "http://stand-in/v1" }, model: "m", contextTokens: 200, sent },
    post: async (path, body) => {
      const request = { path, body: body as Record<string, unknown> };
      sent.push(request);
      return reply(request);
    },
  };
}

/** Words with the blank before them; the log-probability of the i-th is −i; one word more, as it was written. */
function echoed({ body }: Sent): unknown {
  const tokens = [...String(body["prompt"]).matchAll(/\s*\S+|\s+$/g)].map(([token]) => token);
  const token_logprobs = [null, ...tokens.map((_, i) => -i - 1)];
  return { choices: [{ logprobs: { tokens: [...tokens, " new"], token_logprobs } }] };
}

describe("probabilities of an endpoint", () => {
  it("of a text's tokens: by echo, without what was written behind it", async () => {
    const server = endpoint(echoed);
    const parts = [];
    for await (const part of endpointScoring(server).tokenLogProbs("Größe zählt 😀 hier.")) parts.push(part);
    expect(parts).toHaveLength(1);
    expect([...parts[0]!.endBytes]).toEqual([14, 19, 25]);
    expect([...parts[0]!.logProbs]).toEqual([-1, -2, -3]);
    expect(server.sent[0]!.body).toMatchObject({ echo: true, logprobs: 1, max_tokens: 1 });
  });

  it("window by window: every place once, in order", async () => {
    const text = "word and more ".repeat(60);
    const server = endpoint(echoed);
    const ends: number[] = [];
    for await (const { endBytes } of endpointScoring(server).tokenLogProbs(text, { window: 64 }))
      ends.push(...endBytes);
    expect(server.sent.length).toBeGreaterThan(5);
    expect(ends).toEqual([...new Set(ends)].sort((a, b) => a - b));
    expect(ends.at(-1)).toBe(text.length);
    await expect(
      endpointScoring(server).tokenLogProbs(text, { window: 500 })[Symbol.asyncIterator]().next(),
    ).rejects.toMatchObject({
      code: "bad-option",
    });
  });

  it("of answers: by the likeliest first tokens, blanks apart", async () => {
    const top_logprobs = [
      { token: "1", logprob: Math.log(0.5) },
      { token: " 1", logprob: Math.log(0.25) },
      { token: "no", logprob: Math.log(0.2) },
    ];
    const server = endpoint(() => ({ choices: [{ logprobs: { content: [{ top_logprobs }] } }] }));
    const [one, two] = await endpointScoring(server).choose("Which?", ["1", "2"]);
    expect(one).toBeCloseTo(0.75, 6);
    expect(two).toBe(0);
  });

  it("says where there are none; other failures stay what they are", async () => {
    const failing = (code: "bad-input" | "network") =>
      endpoint(() => {
        throw new QuireError(code, "no");
      });
    const first = async (server: ScoringEndpoint) =>
      endpointScoring(server).tokenLogProbs("a b c")[Symbol.asyncIterator]().next();
    const empty = endpoint(() => ({ choices: [{ text: "x" }] }));
    await expect(first(empty)).rejects.toMatchObject({ code: "unsupported" });
    await expect(first(failing("bad-input"))).rejects.toMatchObject({ code: "unsupported" });
    await expect(first(failing("network"))).rejects.toMatchObject({ code: "network" });
    await expect(endpointScoring(empty).choose("a", ["1"])).rejects.toMatchObject({ code: "unsupported" });
  });
});

describe("places of tokens", () => {
  it("bridges parts of characters", () => {
    expect(tokenPlaces("a😀b", ["a", "\ufffd", "\ufffd", "\ufffd", "b", "!"])).toEqual([1, 3, 3, 3, 4]);
    expect(tokenPlaces("é", ["bytes:\\xc3", "bytes:\\xa9", "!"])).toEqual([1, 1]);
  });

  it("refuses tokens of another text", () => {
    expect(() => tokenPlaces("abc def", ["abc", " xyz", "!"])).toThrow(/add up/);
  });
});
