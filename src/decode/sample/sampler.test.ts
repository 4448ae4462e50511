import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { TokenMask } from "../../text/tokenizer.js";
import { greatest } from "./greedy.js";
import { uniform } from "./random.js";
import { createSampler } from "./sampler.js";
import type { SamplerOptions } from "./sampler-options.js";
import { largest, nucleus } from "./select.js";

/** The rules one by one over plain arrays, everything sorted. */
function plainDistribution(
  logits: number[],
  options: SamplerOptions,
  said: number[],
  allowed?: ReadonlySet<number>,
): number[] {
  const { temperature = 0, topK = 0, topP = 1, minP = 0, logitBias = {} } = options;
  const { repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0, penaltyWindow = 1e9 } = options;
  const recent = penaltyWindow === 0 ? [] : said.slice(-penaltyWindow);
  const f32 = Math.fround;
  const changed = logits.map((logit, token) => {
    let value = f32(logit);
    const times = recent.filter((other) => other === token).length;
    if (times > 0) {
      value = f32(
        (value > 0 ? value / repetitionPenalty : value * repetitionPenalty) -
          times * frequencyPenalty -
          presencePenalty,
      );
    }
    value = f32(value + (logitBias[String(token)] ?? 0));
    return allowed === undefined || allowed.has(token) ? value : Number.NEGATIVE_INFINITY;
  });
  const order = changed.map((_, token) => token).sort((a, b) => changed[b]! - changed[a]! || a - b);
  if (temperature === 0) return changed.map((_, token) => (token === order[0] ? 1 : 0));
  let weights = changed.map((value) => f32(Math.exp((value - changed[order[0]!]!) / temperature)));
  const keep = (kept: number[]) => {
    weights = weights.map((weight, token) => (kept.includes(token) ? weight : 0));
  };
  if (topK > 0) keep(order.slice(0, topK));
  const byWeight = [...order].sort((a, b) => weights[b]! - weights[a]! || a - b);
  const total = weights.reduce((a, b) => a + b, 0);
  if (topP < 1) {
    let sum = 0;
    keep(
      byWeight.filter((token) => {
        const isIn = sum < topP * total;
        sum += weights[token]!;
        return isIn;
      }),
    );
  }
  keep(order.filter((token) => weights[token]! >= minP));
  const left = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / left);
}

function maskOf(allowed: ReadonlySet<number>): TokenMask {
  const mask: TokenMask = {
    apply: (logits) => {
      for (let token = 0; token < logits.length; token++)
        if (!allowed.has(token)) logits[token] = Number.NEGATIVE_INFINITY;
    },
    accept: () => {},
    clone: () => mask,
    close: () => {},
  };
  return mask;
}

const logitLists = fc.array(
  fc.oneof(
    fc.integer({ min: -4, max: 4 }),
    fc.double({ min: -30, max: 30, noNaN: true }),
    fc.constant(Number.NEGATIVE_INFINITY),
  ),
  { minLength: 1, maxLength: 60 },
);
const someOptions: fc.Arbitrary<SamplerOptions> = fc.record(
  {
    temperature: fc.constantFrom(0, 0.01, 0.5, 1, 2),
    topK: fc.nat(70),
    topP: fc.constantFrom(0.1, 0.5, 0.9, 0.999, 1),
    minP: fc.constantFrom(0, 0.05, 0.5, 1),
    repetitionPenalty: fc.constantFrom(1, 1.3, 0.5),
    frequencyPenalty: fc.constantFrom(0, 0.5, -1),
    presencePenalty: fc.constantFrom(0, 0.7),
    penaltyWindow: fc.constantFrom(0, 1, 3, 100),
    logitBias: fc.constantFrom<Record<string, number>>({}, { "0": 3 }, { "0": Number.NEGATIVE_INFINITY }),
  },
  { requiredKeys: [] },
);

describe("distribution", () => {
  test("equals the plain rules", () => {
    fc.assert(
      fc.property(
        logitLists,
        someOptions,
        fc.array(fc.nat(59), { maxLength: 8 }),
        fc.boolean(),
        (logits, options, said, masked) => {
          const allowed = new Set(logits.map((_, token) => token).filter((token) => !masked || token % 3 !== 1));
          const possible = logits.some(
            (logit, token) =>
              logit > -Infinity && allowed.has(token) && options.logitBias?.[String(token)] !== -Infinity,
          );
          const sampler = createSampler(options, { mask: masked ? maskOf(allowed) : undefined, history: said });
          const given = Float32Array.from(logits);
          const before = given.slice();
          if (!possible) {
            expect(() => sampler.distribution(given)).toThrow(expect.objectContaining({ code: "bad-option" }));
            return;
          }
          const got = sampler.distribution(given);
          const expected = plainDistribution(logits, options, said, allowed);
          expect(given).toEqual(before);
          for (const [token, probability] of expected.entries()) expect(got[token]).toBeCloseTo(probability, 6);
          expect(got.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
        },
      ),
      { numRuns: 1500 },
    );
  });

  test("booked tokens count in later ones", () => {
    const options = { temperature: 1, repetitionPenalty: 1.5, presencePenalty: 0.3, penaltyWindow: 3 };
    const sampler = createSampler(options);
    const logits = [1, 2, -1, 0.5];
    const said: number[] = [];
    for (const token of [1, 1, 2, 0, 3, 3, 3, 1]) {
      sampler.accept(token);
      said.push(token);
      const got = sampler.distribution(Float32Array.from(logits));
      for (const [at, probability] of plainDistribution(logits, options, said).entries())
        expect(got[at]).toBeCloseTo(probability, 6);
    }
  });
});

describe("draws", () => {
  test("follow the distribution", () => {
    const logits = Float32Array.from([2, 1, 0, -1, 0.5, -Infinity]);
    const options = { temperature: 0.8, topP: 0.95, seed: 5 };
    const sampler = createSampler(options);
    const expected = sampler.distribution(logits);
    const counts = new Array<number>(6).fill(0);
    const draws = 20_000;
    for (let position = 0; position < draws; position++) {
      const { token, logProb } = sampler.next(logits, position);
      counts[token]!++;
      expect(logProb).toBeCloseTo(Math.log(expected[token]!), 5);
    }
    // Pearson's statistic; 20 is beyond 0.1% for the 4 degrees of freedom at most.
    const pearson = counts.reduce((sum, count, token) => {
      const mean = expected[token]! * draws;
      return sum + (mean === 0 ? count * 1e9 : (count - mean) ** 2 / mean);
    }, 0);
    expect(pearson).toBeLessThan(20);
  });

  test("depend on seed and position alone", () => {
    const logits = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i * 7));
    const drawAll = (seed: number, positions: number[]) => {
      const sampler = createSampler({ temperature: 1, seed });
      return new Map(positions.map((position) => [position, sampler.next(logits, position).token]));
    };
    const forwards = drawAll(7, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const backwards = drawAll(7, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    for (const [position, token] of forwards) expect(backwards.get(position)).toBe(token);
    expect([...drawAll(8, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).values()]).not.toEqual([...forwards.values()]);
  });

  test("are booked in the mask", () => {
    const booked: number[] = [];
    const mask = { ...maskOf(new Set([2])), accept: (token: number) => void booked.push(token) };
    const sampler = createSampler({}, { mask });
    expect(sampler.next(Float32Array.of(9, 9, 1), 0)).toEqual({ token: 2, logProb: -0 });
    sampler.accept(1);
    expect(booked).toEqual([2, 1]);
  });

  test("report the model's own opinion", () => {
    const logits = Float32Array.from([1, 3, 2, 0]);
    const { token, top } = createSampler({ logprobs: 2, logitBias: { "0": 100 } }).next(logits, 0);
    const logOfSum = Math.log(Math.exp(1) + Math.exp(3) + Math.exp(2) + 1);
    expect(token).toBe(0);
    expect(top!.map((entry) => entry.token)).toEqual([1, 2, 0]);
    for (const entry of top!) expect(entry.logProb).toBeCloseTo(logits[entry.token]! - logOfSum, 6);
  });
});

describe("greedy", () => {
  test("takes the lowest of the largest", () => {
    expect(greatest(Float32Array.of(1, 5, 5, 2))).toBe(1);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1 }), (logits) => {
        expect(greatest(Float32Array.from(logits))).toBe(logits.indexOf(Math.max(...logits)));
      }),
    );
  });

  test("refuses what is no number, wherever it stands", () => {
    for (const logits of [[Number.NaN], [1, Number.NaN], [Number.NaN, 1], [5, 1, Number.NaN, 9]]) {
      for (const options of [{}, { temperature: 1 }, { temperature: 1, topK: 2 }, { logprobs: 1 }]) {
        const run = () => createSampler(options).next(Float32Array.from(logits), 0);
        expect(run).toThrow(expect.objectContaining({ code: "native" }));
      }
    }
    expect(() => createSampler({ temperature: 1 }).next(Float32Array.of(1, Number.POSITIVE_INFINITY), 0)).toThrow(
      expect.objectContaining({ code: "native" }),
    );
    expect(() => greatest(Float32Array.of(-Infinity))).toThrow(expect.objectContaining({ code: "bad-option" }));
  });
});

describe("selection without sorting", () => {
  const weightLists = fc.array(
    fc.oneof(fc.integer({ min: 1, max: 4 }), fc.double({ min: 1e-6, max: 10, noNaN: true })),
    {
      minLength: 1,
      maxLength: 200,
    },
  );

  test("finds the largest few, in order", () => {
    fc.assert(
      fc.property(weightLists, fc.nat(210), (list, count) => {
        const values = Float32Array.from(list);
        const sorted = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
        expect(Array.from(largest(values, count))).toEqual(sorted.slice(0, count));
      }),
    );
  });

  test("finds the nucleus", () => {
    fc.assert(
      fc.property(weightLists, fc.double({ min: 0.01, max: 0.999, noNaN: true }), (list, share) => {
        const weights = Float32Array.from(list);
        const total = weights.reduce((a, b) => a + b, 0);
        const tokens = Int32Array.from(weights.keys());
        const count = nucleus(tokens, weights, share, total);
        const sum = (kept: Iterable<number>) => [...kept].reduce((all, token) => all + weights[token]!, 0);
        const kept = tokens.slice(0, count);
        const sorted = [...weights.keys()].sort((a, b) => weights[b]! - weights[a]! || a - b);
        expect([...kept].sort((a, b) => a - b)).toEqual(sorted.slice(0, count).sort((a, b) => a - b));
        expect(sum(kept)).toBeGreaterThanOrEqual(share * total * (1 - 1e-12));
        expect(sum(sorted.slice(0, count - 1))).toBeLessThan(share * total * (1 + 1e-12));
      }),
    );
  });
});

describe("random numbers", () => {
  test("are even, and unlike their neighbours'", () => {
    const bins = new Array<number>(64).fill(0);
    let products = 0;
    const count = 64_000;
    for (let position = 0; position < count; position++) {
      const value = uniform(123, position, "draw");
      expect(value >= 0 && value < 1).toBe(true);
      bins[Math.floor(value * 64)]!++;
      products += (value - 0.5) * (uniform(123, position + 1, "draw") - 0.5);
    }
    const pearson = bins.reduce((sum, held) => sum + (held - 1000) ** 2 / 1000, 0);
    expect(pearson).toBeGreaterThan(25);
    expect(pearson).toBeLessThan(115);
    // Correlation of neighbours: standard error 1 / sqrt(count).
    expect(Math.abs((products / count) * 12)).toBeLessThan(4 / Math.sqrt(count));
  });

  test("differ by seed, position, purpose and index", () => {
    const all = new Set<number>();
    for (const seed of [0, 1, -1, 2 ** 32, 2 ** 52])
      for (const position of [0, 1, 2, 1000])
        for (const purpose of ["draw", "draft", "accept", "correct", "bonus", "branch"] as const)
          for (const index of [0, 1, 2]) all.add(uniform(seed, position, purpose, index));
    expect(all.size).toBe(5 * 4 * 6 * 3);
    const sampler = createSampler({ seed: 3 });
    expect(sampler.uniform(4, "accept")).toBe(uniform(3, 4, "accept", 0));
  });
});

test.each<[Record<string, unknown>, string]>([
  [{ temperature: -1 }, "temperature"],
  [{ temperature: Number.NaN }, "temperature"],
  [{ topK: 1.5 }, "topK"],
  [{ topP: 0 }, "topP"],
  [{ topP: 1.1 }, "topP"],
  [{ minP: 2 }, "minP"],
  [{ repetitionPenalty: 0 }, "repetitionPenalty"],
  [{ penaltyWindow: -1 }, "penaltyWindow"],
  [{ logitBias: { x: 1 } }, "logitBias"],
  [{ logitBias: { "1": Number.POSITIVE_INFINITY } }, "logitBias"],
  [{ seed: 0.5 }, "seed"],
  [{ logprobs: 101 }, "logprobs"],
  [{ temprature: 1 }, "temprature"],
])("refuses %j", (options, name) => {
  expect(() => createSampler(options)).toThrow(expect.objectContaining({ code: "bad-option" }));
  expect(() => createSampler(options)).toThrow(name);
});

test("refuses a bias for a token that there is not", () => {
  const run = () => createSampler({ logitBias: { "9": 1 } }).next(Float32Array.of(1, 2), 0);
  expect(run).toThrow(expect.objectContaining({ code: "bad-option" }));
});

describe("forks", () => {
  const flat = new Float32Array(50);

  test("go another way with the history so far, and leave the sampler as it was", () => {
    const sampler = createSampler({ presencePenalty: 1, temperature: 0, penaltyWindow: 2 });
    sampler.accept(0);
    const fork = sampler.fork();
    expect(fork.next(flat, 1).token).toBe(1);
    expect(fork.next(flat, 2).token).toBe(2);
    expect(fork.next(flat, 3).token).toBe(0);
    expect(sampler.next(flat, 1).token).toBe(1);
  });

  test("draw the same numbers without a stream, others with one, and other streams others", () => {
    const draws = (stream: number | undefined): number[] => {
      const fork = createSampler({ seed: 7, temperature: 1 }).fork(stream);
      return Array.from({ length: 20 }, (_, position) => fork.next(flat, position).token);
    };
    const own = createSampler({ seed: 7, temperature: 1 });
    expect(draws(undefined)).toEqual(Array.from({ length: 20 }, (_, position) => own.next(flat, position).token));
    expect(new Set([draws(undefined), draws(1), draws(2)].map(String)).size).toBe(3);
    expect(draws(1)).toEqual(draws(1));
  });

  test("have a grammar of their own", () => {
    const closed: string[] = [];
    const maskNamed = (name: string): TokenMask => ({
      apply: (logits) => logits.fill(Number.NEGATIVE_INFINITY, 0, name.length),
      accept: () => {},
      clone: () => maskNamed(`${name}+`),
      close: () => closed.push(name),
    });
    const sampler = createSampler({ temperature: 0 }, { mask: maskNamed("m") });
    const fork = sampler.fork(1);
    expect([sampler.next(flat, 0).token, fork.next(flat, 0).token]).toEqual([1, 2]);
    fork.close();
    expect(closed).toEqual(["m+"]);
  });
});
