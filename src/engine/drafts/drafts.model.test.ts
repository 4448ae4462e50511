import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chain } from "../../decode/chain.js";
import type { Decoder } from "../../decode/decoder.js";
import { rsd } from "../../decode/rsd.js";
import { Quire } from "../../quire.js";
import { testModel } from "../../weights/test-models.js";

/** Exactness at temperature 0, token for token, on a real model: passes of several rows give every row the logits that it has alone. */

const prompts = [
  "The history of the lighthouse begins in the year 1842, when",
  "Repeat: one two three four five six seven. Again: one two three four",
  "def fibonacci(n):\n    ",
];
const tokens = 24;
const decoders: readonly (readonly [Decoder, atLeast: number])[] = [
  [chain({ draft: "lookup", depth: 8 }), 1],
  [chain({ draft: "exit:24", depth: 3 }), 1],
  [rsd({ draft: "exit:24", shape: "beam", width: 2, depth: 2 }), 1],
  [chain({ draft: "low-bit:q4_0", depth: 4 }), 1.6],
  [rsd({ draft: "low-bit:q4_0", shape: "constant", branches: "2-1-1" }), 1.6],
  [rsd({ draft: "low-bit:q2_k", shape: "beam", width: 2, depth: 3 }), 1.1],
  [chain({ draft: "model:smollm2-135m-instruct", depth: 3, adapt: false }), 3.5],
];

describe.each(["as-stored", "in-parts"] as const)("drafts of SmolLM2, products %s", (products) => {
  let quire: Quire;
  const plain = new Map<string, readonly number[]>();
  beforeAll(async () => {
    await testModel("smollm2-135m-instruct");
    quire = await Quire.open("smollm2-135m-instruct", {
      products,
      threads: 1,
      contextTokens: 512,
      prefixSharing: false,
    });
    for (const prompt of prompts)
      plain.set(prompt, (await quire.complete(prompt, { maxTokens: tokens, temperature: 0, ignoreEnd: true })).tokens);
  }, 120_000);
  afterAll(() => quire.close());

  it.each(products === "as-stored" ? decoders : decoders.slice(2, 5))(
    "$label",
    async (decoder, atLeast) => {
      let passes = 0;
      let all = 0;
      for (const prompt of prompts) {
        const options = { decoder, maxTokens: tokens, temperature: 0, ignoreEnd: true };
        const { tokens: got, stats } = await quire.complete(prompt, options);
        expect(got, prompt).toEqual(plain.get(prompt));
        passes += stats.passes;
        all += got.length;
      }
      expect(all / passes).toBeGreaterThan(atLeast * 0.9);
      expect(quire.engine.memory.stores).toBe(0);
    },
    120_000,
  );
});

it("a draft with another tokenizer is refused by name", async () => {
  const target = await testModel("smollm2-135m-instruct");
  await testModel("gemma-3-270m");
  await using quire = await Quire.open(target, { threads: 1, contextTokens: 256 });
  const decoder = chain({ draft: "model:gemma-3-270m" });
  await expect(quire.complete("x", { decoder })).rejects.toMatchObject({
    code: "bad-option",
    message: expect.stringContaining("gemma-3-270m has another tokenizer"),
  });
}, 60_000);
