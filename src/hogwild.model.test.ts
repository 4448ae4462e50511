import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DecodeEvent } from "./decode/decoder.js";
import type { GeneratePiece, GenerateResult } from "./generate-options.js";
import { Quire } from "./quire.js";
import { testModel } from "./weights/test-models.js";

describe("hogwild with SmolLM2-135M", () => {
  let quire: Quire;
  beforeAll(async () => {
    quire = await Quire.open(await testModel("smollm2-135m-instruct"), { device: "cpu", threads: 1, cacheType: "f32" });
  });
  afterAll(() => quire.close());

  it("writes with one bare worker what plain decoding writes, as far as rounding lets it", async () => {
    const options = { maxTokens: 30, temperature: 0, ignoreEnd: true, logprobs: 2 };
    const read = async (decoder: string) => {
      const stream = quire.streamCompletion("Ten things to take on a long walk:\n1. Water\n2.", {
        ...options,
        decoder,
      });
      const pieces: GeneratePiece[] = [];
      for await (const piece of stream) if (piece.token >= 0) pieces.push(piece);
      return pieces;
    };
    const [plain, one] = [await read("autoregressive"), await read("hogwild:workers=1,bare=true")];
    // Weights of four bits meet activations rounded to eight: sums in another order shift logits by some hundredths.
    const rounding = 0.4;
    let equal = 0;
    for (; equal < plain.length && plain[equal]?.token === one[equal]?.token; equal++) {
      const [best, ours] = [plain[equal]?.top?.[0]?.logProb ?? 0, one[equal]?.top?.[0]?.logProb ?? 9];
      expect(Math.abs(best - ours)).toBeLessThan(rounding);
    }
    const [first, second] = plain[equal]?.top ?? [];
    if (first !== undefined && second !== undefined) expect(first.logProb - second.logProb).toBeLessThan(rounding);
    expect(equal).toBeGreaterThan(8);
  });

  it("tells which worker each piece is from, and gives the same for the same seed", async () => {
    const ask = async () => {
      const pieces: GeneratePiece[] = [];
      const events: DecodeEvent[] = [];
      const stream = quire.stream("Name a few fruits.", {
        decoder: "hogwild:workers=Ann+Ben",
        ...{ maxTokens: 12, temperature: 0.8, seed: 3 },
        onDecode: (event) => events.push(event),
      });
      for (;;) {
        const next = await stream.next();
        if (next.done === true) return { pieces, events, result: next.value as GenerateResult };
        pieces.push(next.value);
      }
    };
    const { pieces, events, result } = await ask();
    expect(result.answers?.map(({ name }) => name)).toEqual(["Ann", "Ben"]);
    for (const [index, answer] of (result.answers ?? []).entries()) {
      const own = pieces.filter(({ channel = 0 }) => channel === index);
      expect(own.map(({ text }) => text).join("")).toBe(answer.text);
      expect(answer.tokens).toHaveLength(12);
      expect(events.filter((event) => event.kind === "worker" && event.worker === index)).toHaveLength(12);
    }
    expect(result.usage.completionTokens).toBe(24);
    expect(result.stats.decode).toMatchObject({ workers: 2, tokens0: 12, tokens1: 12 });
    expect((await ask()).result.answers).toEqual(result.answers);
  });

  it("is refused beside a policy that drops", async () => {
    const asked = quire.complete("a", { decoder: "hogwild", cache: "h2o", maxTokens: 4 });
    await expect(asked).rejects.toMatchObject({ code: "bad-option" });
  });
});
