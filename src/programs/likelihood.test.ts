import { expect, it } from "vitest";
import { likelihoodOf } from "./likelihood.js";
import { scriptedModel } from "./scripted-model.js";

it("sums what comes after the prompt, a token across the seam included; undefined where the model gives no probabilities", async () => {
  expect(likelihoodOf(undefined)).toBeUndefined();
  expect(likelihoodOf(scriptedModel(["x"]))).toBeUndefined();
  const texts: string[] = [];
  const model = {
    ...scriptedModel(["x"]),
    scoring: {
      async *tokenLogProbs(text: string) {
        texts.push(text);
        yield { endBytes: Int32Array.of(2, 4), logProbs: Float32Array.of(-1, -2) };
        yield { endBytes: Int32Array.of(7, 9), logProbs: Float32Array.of(-4, -8) };
      },
      choose: async () => new Float32Array(),
    },
  };
  expect(await likelihoodOf(model)?.("né: ", "wxyz")).toEqual({ logProb: -12, tokens: 2 });
  expect(texts).toEqual(["né: wxyz"]);
  const direct = { ...model, scoring: { ...model.scoring, logLikelihood: async () => ({ logProb: -3, tokens: 1 }) } };
  expect(await likelihoodOf(direct)?.("a", "b")).toEqual({ logProb: -3, tokens: 1 });
});
