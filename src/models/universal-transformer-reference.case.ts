import { attended, plus, scaled, sigmoid, times, type Vector } from "./plain-numbers.case.js";
import type { UniversalTransformerConfig } from "./universal-transformer.js";

/** The Universal Transformer over plain numbers: one text, every position at every step, nothing skipped. */
export interface PlainResult {
  readonly logits: Vector[];
  /** Steps taken by position, and what was left of 1 at the last of them. */
  readonly steps: number[];
  readonly remainders: number[];
}

export function plainUniversal(
  config: UniversalTransformerConfig,
  tensors: ReadonlyMap<string, ArrayLike<number>>,
  tokens: readonly number[],
  firstPosition = 0,
): PlainResult {
  const { hiddenSize: c, headDim, steps: most, blocksPerStep, halting, epsilon } = config;
  const get = (name: string): ArrayLike<number> => tensors.get(name) ?? fail(name);
  const row = (name: string, at: number): Vector =>
    Array.from({ length: c }, (_, i) => get(name)[at * c + i] as number);
  const norm = (x: Vector, name: string): Vector => {
    const mean = x.reduce((sum, value) => sum + value, 0) / c;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / c;
    return x.map(
      (value, i) =>
        ((value - mean) / Math.sqrt(variance + epsilon)) * (get(`${name}.weight`)[i] as number) +
        (get(`${name}.bias`)[i] as number),
    );
  };
  const half = c / 2;
  const signal = (position: number): Vector =>
    Array.from({ length: c }, (_, i) => {
      const angle = position * 10_000 ** (-(i % half) / (half - 1));
      return i < half ? Math.sin(angle) : Math.cos(angle);
    });
  let states = tokens.map((token) => scaled(row("token_embd.weight", token), Math.sqrt(c)));
  const out = tokens.map(() => new Array<number>(c).fill(0));
  const halted = tokens.map(() => 0);
  const runs = tokens.map(() => true);
  const steps = tokens.map(() => 0);
  const remainders = tokens.map(() => 0);
  const memory: { keys: Vector[]; values: Vector[] }[] = Array.from({ length: blocksPerStep }, () => ({
    keys: [],
    values: [],
  }));
  for (let step = 0; step < most; step++) {
    const before = states.map((x, at) => plus(plus(x, signal(firstPosition + at)), row("step_embd.weight", step)));
    const weights = tokens.map(() => 0);
    const running = [...runs];
    if (halting !== undefined) {
      for (const [at, x] of before.entries()) {
        if (!running[at]) continue;
        const p = sigmoid((times(get("halt.weight"), x)[0] as number) + (get("halt.bias")[0] as number));
        steps[at] = (steps[at] as number) + 1;
        if (step === most - 1 || (halted[at] as number) + p > 1 - halting.epsilon) {
          weights[at] = remainders[at] = 1 - (halted[at] as number);
          runs[at] = false;
        } else {
          weights[at] = p;
          halted[at] = (halted[at] as number) + p;
        }
      }
    }
    let x = before;
    for (let block = 0; block < blocksPerStep; block++) {
      const name = `blk.${block}.`;
      const normed = x.map((own) => norm(own, `${name}attn_norm`));
      const project = (part: string) => normed.map((own) => times(get(`${name}attn_${part}.weight`), own));
      const [queries, keys, values] = [project("q"), project("k"), project("v")];
      const held = memory[block] as { keys: Vector[]; values: Vector[] };
      for (let at = 0; at < tokens.length; at++) {
        if (halting?.halted === "freeze" && !running[at]) continue;
        held.keys[at] = keys[at] as Vector;
        held.values[at] = values[at] as Vector;
      }
      x = x.map((own, at) => {
        const mixed = attended(
          queries[at] as Vector,
          held.keys.slice(0, at + 1),
          held.values.slice(0, at + 1),
          headDim,
        );
        const middle = plus(own, times(get(`${name}attn_output.weight`), mixed));
        const inner = plus(
          times(get(`${name}ffn_up.weight`), norm(middle, `${name}ffn_norm`)),
          get(`${name}ffn_up.bias`),
        );
        const active = inner.map((value) => Math.max(0, value));
        return plus(plus(middle, times(get(`${name}ffn_down.weight`), active)), get(`${name}ffn_down.bias`));
      });
    }
    for (let at = 0; at < tokens.length; at++) {
      const w = weights[at] as number;
      const after = x[at] as Vector;
      if (halting !== undefined)
        out[at] = plus(scaled(after, w), scaled(out[at] as Vector, halting.output === "sum" ? 1 : 1 - w));
      if (halting?.halted !== "freeze" || running[at]) states[at] = after;
    }
  }
  states = halting === undefined ? states : out;
  return {
    logits: states.map((x) => times(get("token_embd.weight"), norm(x, "output_norm"))),
    steps,
    remainders,
  };
}

function fail(name: string): never {
  throw new Error(`no ${name}`);
}
