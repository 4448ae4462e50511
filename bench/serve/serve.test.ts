import { describe, expect, it } from "vitest";
import { PassCosts } from "../../src/engine/schedule/pass-costs.js";
import { requestLevel } from "../../src/engine/schedule/request-level.js";
import { sarathi } from "../../src/engine/schedule/sarathi.js";
import { wholePrefill } from "../../src/engine/schedule/whole-prefill.js";
import { arrivalTimes } from "./arrivals.js";
import { atRate, type CapacityOptions, capacity } from "./capacity.js";
import { type Clock, processorClock } from "./clock.js";
import { drive } from "./drive.js";
import { latencies, percentile, throughput } from "./latency.js";

describe("arrivals", () => {
  const gaps = (times: number[]) => times.slice(1).map((time, i) => time - (times[i] as number));
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const spreadOf = (values: number[]) => {
    const middle = mean(values);
    return Math.sqrt(mean(values.map((value) => (value - middle) ** 2))) / middle;
  };

  it("are Poisson: exponential gaps of the stated mean", () => {
    const own = gaps(arrivalTimes({ count: 20_000, perSecond: 4, seed: 3 }));
    expect(mean(own)).toBeGreaterThan(240);
    expect(mean(own)).toBeLessThan(260);
    expect(spreadOf(own)).toBeCloseTo(1, 1);
    expect(own.filter((gap) => gap > 250).length / own.length).toBeCloseTo(Math.exp(-1), 1);
  });

  it("come in bursts or evenly by their shape, with the same mean", () => {
    for (const burstiness of [0.25, 4]) {
      const own = gaps(arrivalTimes({ count: 20_000, perSecond: 4, seed: 3, burstiness }));
      expect(mean(own)).toBeGreaterThan(230);
      expect(mean(own)).toBeLessThan(270);
      expect(spreadOf(own)).toBeCloseTo(1 / Math.sqrt(burstiness), 0);
    }
  });

  it("are the same for the same seed, and all at once at an infinite rate", () => {
    const options = { count: 5, perSecond: 1, seed: 9 };
    expect(arrivalTimes(options)).toEqual(arrivalTimes(options));
    expect(arrivalTimes(options)).not.toEqual(arrivalTimes({ ...options, seed: 10 }));
    expect(arrivalTimes({ ...options, perSecond: Number.POSITIVE_INFINITY })).toEqual([0, 0, 0, 0, 0]);
  });
});

describe("latencies", () => {
  const records = [
    { kind: "chat", arrivedMs: 0, promptTokens: 10, tokensMs: [100, 110, 130] },
    { kind: "chat", arrivedMs: 500, promptTokens: 20, tokensMs: [700, 2000] },
  ];

  it("are counted from arrival, and between tokens", () => {
    expect(latencies(records)).toEqual({ ttft: [100, 200], tbt: [10, 20, 1300] });
    expect(throughput(records)).toEqual({ seconds: 2, outputPerSecond: 2.5, totalPerSecond: 17.5 });
  });

  it("have percentiles by nearest rank", () => {
    const values = Array.from({ length: 200 }, (_, i) => 200 - i);
    expect(percentile(values, 0.99)).toBe(198);
    expect(percentile(values, 0.5)).toBe(100);
    expect(percentile([7], 0.99)).toBe(7);
  });
});

describe("drive", () => {
  it("submits at the times given and notes when tokens come", async () => {
    let now = 0;
    const clock: Clock = {
      title: "",
      now: () => now,
      until: async (ms) => {
        now = Math.max(now, ms);
      },
      tick: () => {},
    };
    const request = { kind: "chat", atMs: 40, prompt: Int32Array.of(1, 2), outputTokens: 2 };
    const records = await drive(
      [request],
      async function* () {
        now += 5;
        yield 11;
        now += 7;
        yield 12;
      },
      clock,
    );
    expect(records).toEqual([{ kind: "chat", arrivedMs: 40, promptTokens: 2, tokens: [11, 12], tokensMs: [45, 52] }]);
  });

  it("jumps to the next arrival when nothing is worked on, in processor time", async () => {
    const clock = processorClock();
    const reached: string[] = [];
    const start = clock.now();
    const both = [
      clock.until(start + 60_000).then(() => reached.push("first")),
      clock.until(start + 120_000).then(() => reached.push("second")),
    ];
    clock.tick(false);
    await Promise.resolve();
    expect(reached).toEqual([]);
    clock.tick(true);
    await both[0];
    expect(reached).toEqual(["first"]);
    expect(clock.now() - start).toBeLessThan(70_000);
    clock.tick(true);
    await both[1];
    expect(clock.now() - start).toBeGreaterThanOrEqual(120_000);
  });
});

describe("capacity in virtual time", () => {
  const costs = new PassCosts([1, 8, 64, 512, 4096].map((rows) => ({ rows, ms: 5 + rows })));
  const options: CapacityOptions = {
    load: { chatPrompt: 64, chatOutput: 64, documentPrompt: 2000, documentOutput: 8 },
    ...{ chatsPerDocument: 3, requests: 120, maxSequences: 8, seed: 1, tbtMs: 60, waitMs: 2000 },
  };
  const plans = {
    sarathi: () => sarathi({ budget: 48 }).planner({ maxSequences: 8 }),
    "whole-prefill": () => wholePrefill().planner({ maxSequences: 8 }),
    "request-level": () => requestLevel().planner({ maxSequences: 8 }),
  };

  it("is a rate within the limits, and a little more is beyond them", () => {
    const found = capacity(plans.sarathi, costs, options);
    expect(found).toBeGreaterThan(0.1);
    const within = (rate: number) => {
      const { p99Tbt, medianWait } = atRate(plans.sarathi(), costs, rate, options);
      return p99Tbt <= options.tbtMs && medianWait <= options.waitMs;
    };
    expect(within(found)).toBe(true);
    expect(within(found * 1.3)).toBe(false);
  });

  it("is larger where decodes do not wait for documents", () => {
    expect(capacity(plans.sarathi, costs, options)).toBeGreaterThan(capacity(plans["whole-prefill"], costs, options));
  });
});
