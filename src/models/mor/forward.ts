import { stopGradient } from "../../tensor/autodiff.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Weights } from "../../weights/load.js";
import type { Batch } from "../architecture.js";
import { agreement, choiceLoss, largestRows, marked, numbersAt } from "../blocks/choose-rows.js";
import { llamaBlock } from "../blocks/llama-block.js";
import { ropeOptions } from "../blocks/rotary.js";
import { capacityOf, type MorConfig, memoryLayer } from "./config.js";
import { type MorModel, morHead, morRecursion } from "./layers.js";
import { balanceOf, depthScores, gateOf, routerScores, type TokenRoute, tokenRoute, zOf } from "./router.js";

/** All of a text at once, recursions taking as many rows as their capacity says. "compact": only these are computed. "masked": all
 *  are, and those not taken are seen by nobody and change nothing; the same result, for what cannot be compact: token choice, where
 *  the number of rows depends on the data, and shared entries. */
export function morForward(config: MorConfig, weights: Weights, batch: Batch, form: "compact" | "masked"): Tensor {
  const model = { config, weights, batch, rope: ropeOptions(config.rotary, weights) };
  let x = batch.graph.use(weights.get("token_embd.weight")).getRows(batch.tokens);
  if (config.outerLayers) x = llamaBlock(x, model, { set: 0, layer: 0 });
  if (config.router.kind === "none") for (let r = 1; r <= config.recursions; r++) x = morRecursion(model, x, r);
  else if (config.router.kind === "token") x = byToken(model, x);
  else x = form === "compact" ? byExpertCompact(model, x) : byExpertMasked(model, x);
  return morHead(model, x);
}

function byExpertCompact(model: MorModel, first: Tensor): Tensor {
  const { config, batch } = model;
  const sequences = batch.sequences ?? 1;
  const total = first.size(0);
  const length = total / sequences;
  const losses = new RouterLosses(batch);
  let x = first;
  let rows = first;
  let numbers: Tensor | undefined;
  let before = length;
  for (let r = 1; r <= config.recursions; r++) {
    const count = capacityOf(config, r, length);
    let scores = routerScores(model, rows, r);
    const chosen = count === before ? undefined : largestRows(scores, sequences, count);
    losses.add(scores, chosen && marked(chosen, rows.size(0)), sequences * before);
    if (chosen !== undefined) {
      rows = rows.getRows(chosen);
      scores = scores.getRows(chosen);
      numbers = numbers === undefined ? chosen : numbersAt(numbers, chosen, total);
    }
    const own = numbers === undefined ? batch : { ...batch, positions: positionsAt(batch, numbers) };
    const result = morRecursion({ ...model, batch: own }, rows, r);
    const change = gateOf(config, result, scores);
    rows = rows.add(change);
    x = numbers === undefined ? rows : x.add(change.scatterAdd(numbers, total));
    before = count;
  }
  losses.report();
  return x;
}

function positionsAt({ positions }: Batch, numbers: Tensor): Tensor {
  return positions.reshape(positions.elements, 1).getRows(numbers).reshape(numbers.elements);
}

function byExpertMasked(model: MorModel, first: Tensor): Tensor {
  const { config, batch } = model;
  const sequences = batch.sequences ?? 1;
  const total = first.size(0);
  const length = total / sequences;
  const losses = new RouterLosses(batch);
  const entries = new SharedEntries(model);
  let x = first;
  let active = batch.graph.range(1, 1).repeat(total, 1);
  let before = length;
  for (let r = 1; r <= config.recursions; r++) {
    const count = capacityOf(config, r, length);
    const scores = routerScores(model, x, r);
    const among = active;
    if (count < before) active = marked(largestRows(scores.add(active.scale(1e6, -1e6)), sequences, count), total);
    losses.add(scores, count < before ? active : undefined, sequences * before, among);
    const result = entries.pass(x, r, active);
    x = x.add(gateOf(config, result, scores).mul(active));
    before = count;
  }
  losses.report();
  return x;
}

function byToken(model: MorModel, first: Tensor): Tensor {
  const { config, batch } = model;
  const scores = depthScores(model, first);
  const route = tokenRoute(model, scores);
  const entries = new SharedEntries(model);
  let x = first;
  for (let r = 1; r <= config.recursions; r++) {
    const active = atLeast(route, r, config.recursions);
    const result = entries.pass(x, r, active);
    x = result.mul(active).add(x.mul(active.scale(-1, 1)));
  }
  if (batch.auxiliary !== undefined) {
    batch.auxiliary("balance", balanceOf(route));
    batch.auxiliary("z", zOf(scores));
  }
  return first.add(x.mul(route.weight));
}

/** 1 where a row goes at least to recursion `r`: f32 [R, 1]. */
function atLeast({ choice }: TokenRoute, r: number, recursions: number): Tensor {
  return stopGradient(
    choice
      .slice(-1, r - 1, recursions - r + 1)
      .cont()
      .sumRows(),
  );
}

type Entries = readonly [keys: Tensor, values: Tensor];

/** Passes over all rows of which some are active; with shared entries later recursions read those of the first. */
class SharedEntries {
  readonly #model: MorModel;
  readonly #held: Entries[] = [];

  constructor(model: MorModel) {
    this.#model = model;
  }

  pass(x: Tensor, r: number, active: Tensor): Tensor {
    const { config, batch } = this.#model;
    const withBatch = (attend: Batch["attend"]): MorModel => ({ ...this.#model, batch: { ...batch, attend } });
    if (config.kv === "recursion") {
      const among = withBatch((layer, queries, keys, values, options) =>
        batch.attend(layer, queries, keys, values, { ...options, active }),
      );
      return morRecursion(among, x, r);
    }
    if (r === 1) {
      const holding = withBatch((layer, queries, keys, values, options) => {
        this.#held.push([keys, values]);
        return batch.attend(layer, queries, keys, values, options);
      });
      return morRecursion(holding, x, r);
    }
    return morRecursion(this.#model, x, r, (queries, j) => {
      const [keys, values] = this.#held[j] as Entries;
      const scale = 1 / Math.sqrt(config.headDim);
      return batch.attend(memoryLayer(config, r, j), queries, keys, values, { scale });
    });
  }
}

/** Sums what the recursions' routers are to learn, so that scores tell without later rows who is chosen. */
class RouterLosses {
  readonly #batch: Batch;
  #loss: Tensor | undefined;
  readonly #agreement: Tensor[] = [];

  constructor(batch: Batch) {
    this.#batch = batch;
  }

  /** `chosen`: 1 or 0 a row; undefined where all are. */
  add(scores: Tensor, chosen: Tensor | undefined, among: number, counts?: Tensor): void {
    if (this.#batch.auxiliary === undefined) return;
    const target = chosen ?? scores.graph?.range(1, 1).repeat(scores.size(0), 1);
    const loss = choiceLoss(scores, target as Tensor, among, counts);
    this.#loss = this.#loss === undefined ? loss : this.#loss.add(loss);
    if (chosen !== undefined) this.#agreement.push(agreement(scores, chosen, among, counts));
  }

  report(): void {
    if (this.#batch.auxiliary === undefined || this.#loss === undefined) return;
    this.#batch.auxiliary("router", this.#loss);
    const [first, ...rest] = this.#agreement;
    if (first === undefined) return;
    const sum = rest.reduce((total, one) => total.add(one), first);
    this.#batch.auxiliary("agreement", sum.scale(1 / this.#agreement.length));
  }
}
