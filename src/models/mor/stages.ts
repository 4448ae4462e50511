import { QuireError } from "../../errors.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Weights } from "../../weights/load.js";
import type { Batch, CarriedValues, Stage } from "../architecture.js";
import { llamaBlock } from "../blocks/llama-block.js";
import { ropeOptions } from "../blocks/rotary.js";
import { chooses, type MorConfig, memoryLayer } from "./config.js";
import { type MorModel, morHead, morRecursion } from "./layers.js";
import { depthScores, gateOf, routerScores, tokenRoute } from "./router.js";

/** Mixture-of-Recursions when serving: a stage a recursion, over the rows that enter it. A row enters where its score is above 0 (it was
 *  taught to be so for those that would be among the largest), or where it chose a depth that reaches it. */
export function morStages(config: MorConfig): Stage<MorConfig>[] {
  const { recursions } = config;
  const all = Array.from({ length: recursions }, (_, index) => index + 1);
  // Recursions that all rows enter before any choice share the first graph.
  const together = all.filter((r) => all.slice(0, r).every((earlier) => !chooses(config, earlier)));
  return [
    first(together),
    ...all.slice(together.length).map((r) => recursion(config, r)),
    {
      name: "last layer",
      deepens: false,
      reads: ["x", ...(config.router.kind === "token" ? ["first", "weight"] : [])],
      forward: (own, weights, batch, { x, first: start, weight }) => {
        const rows = start === undefined || weight === undefined ? x : start.add((x as Tensor).mul(weight));
        return { logits: morHead(modelOf(own, weights, batch), rows as Tensor) };
      },
    },
  ];
}

function modelOf(config: MorConfig, weights: Weights, batch: Batch): MorModel {
  return { config, weights, batch, rope: ropeOptions(config.rotary, weights) };
}

function first(together: readonly number[]): Stage<MorConfig> {
  return {
    name: "first layer",
    deepens: together.length > 0,
    reads: [],
    forward: (config, weights, batch): Record<string, Tensor> => {
      const model = modelOf(config, weights, batch);
      const embedded = batch.graph.use(weights.get("token_embd.weight")).getRows(batch.tokens);
      const start = config.outerLayers ? llamaBlock(embedded, model, { set: 0, layer: 0 }) : embedded;
      let x = start;
      if (config.router.kind === "token") {
        const { choice, weight } = tokenRoute(model, depthScores(model, start));
        const depth = choice.mul(batch.graph.range(config.recursions, 1)).sumRows();
        for (const r of together) x = morRecursion(model, x, r);
        return { x, first: start.scale(1), weight, depth };
      }
      for (const r of together) x = x.add(gateOf(config, pass(model, x, r), routerScores(model, x, r)));
      return { x, ...nextScore(model, x, together.length + 1) };
    },
  };
}

function recursion(config: MorConfig, r: number): Stage<MorConfig> {
  const byToken = config.router.kind === "token";
  const choice = chooses(config, r);
  return {
    name: `recursion ${r}`,
    deepens: true,
    ...(choice && config.kv === "recursion" ? { joins: [r] } : {}),
    reads: byToken ? ["x"] : ["x", "score"],
    enters: (carried, row) => (byToken ? depthOf(carried, row) >= r : !choice || scoreOf(carried, row, r) > 0),
    forward: (own, weights, batch, { x, score }) => {
      const model = modelOf(own, weights, batch);
      const rows = x as Tensor;
      const result = pass(model, rows, r);
      if (byToken) return { x: result };
      const after = rows.add(gateOf(own, result, score as Tensor));
      return { x: after, ...nextScore(model, after, r + 1) };
    },
  };
}

function pass(model: MorModel, x: Tensor, r: number): Tensor {
  const { config, batch } = model;
  if (config.kv === "recursion" || r === 1) return morRecursion(model, x, r);
  const scale = 1 / Math.sqrt(config.headDim);
  return morRecursion(model, x, r, (queries, j) => {
    if (batch.attendStored === undefined)
      throw new QuireError("unsupported", "These entries cannot be read again here.");
    return batch.attendStored(memoryLayer(config, r, j), queries, { scale });
  });
}

function nextScore(model: MorModel, x: Tensor, r: number): Record<string, Tensor> {
  return r > model.config.recursions ? {} : { score: routerScores(model, x, r) };
}

function depthOf(carried: CarriedValues, row: number): number {
  return checked(carried["weight"]?.values[row], row, 1) && (carried["depth"]?.values[row] ?? 0);
}

function scoreOf(carried: CarriedValues, row: number, r: number): number {
  return checked(carried["score"]?.values[row], row, r);
}

function checked(value = Number.NaN, row: number, r: number): number {
  if (!Number.isNaN(value)) return value;
  throw new QuireError(
    "bad-input",
    `The router's score for recursion ${r} is not a number at row ${row} of the pass.`,
    {
      got: value,
      fix: "The model's weights are damaged, or it diverged in training.",
    },
  );
}
