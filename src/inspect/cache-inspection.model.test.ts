import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { partOf } from "../methods.js";
import { Quire } from "../quire.js";
import { inspectCache, keptShares } from "./cache-inspection.js";

describe("looking into a cache", () => {
  let quire: Quire;
  beforeAll(async () => {
    quire = await Quire.open("smollm2-135m-instruct", { threads: 1 });
  });
  afterAll(() => quire.close());

  const text = "The keeper of the lighthouse wrote every evening what the sea had brought. ".repeat(8);
  const look = async (policy: string, maxTokens = 8) =>
    inspectCache(quire.engine, quire.tokenizer.encode(text), {
      policy: await partOf("cache", policy),
      maxTokens,
      every: 2,
    });

  it("shows everything kept by the full cache, at every look", async () => {
    const inspection = await look("full");
    expect(inspection.layers).toHaveLength(30);
    expect(inspection.kvHeads).toBe(3);
    expect(inspection.snapshots.map(({ tokens }) => tokens - inspection.promptTokens)).toEqual([0, 2, 4, 6]);
    for (const snapshot of inspection.snapshots)
      expect(keptShares(inspection, snapshot).every((share) => share === 1)).toBe(true);
    expect(inspection.tokens.map(({ text }) => text).join("")).toMatch(/^The keeper of the lighthouse wrote/);
  });

  it("shows a window's first and newest tokens and nothing between", async () => {
    const inspection = await look("window:budget=24,sinks=4");
    const last = inspection.snapshots.at(-1)!;
    const shares = keptShares(inspection, last, { layer: 7, head: 1 });
    const kept = Array.from(shares).flatMap((share, token) => (share === 1 ? [token] : []));
    expect(kept).toHaveLength(24);
    expect(kept.slice(0, 4)).toEqual([0, 1, 2, 3]);
    expect(kept.slice(4)).toEqual(Array.from({ length: 20 }, (_, i) => last.tokens - 20 + i));
  });

  it("shows heads that keep different tokens, as many each", async () => {
    const inspection = await look("h2o:budget=0.3");
    const [first, ...others] = [0, 1, 2].map((head) =>
      keptShares(inspection, inspection.snapshots.at(-1)!, { layer: 3, head }),
    );
    const count = (shares: Float32Array) => shares.reduce((sum, share) => sum + share, 0);
    for (const other of others) expect(count(other)).toBe(count(first!));
    expect(others.some((other) => String(other) !== String(first))).toBe(true);
    const mean = keptShares(inspection, inspection.snapshots.at(-1)!);
    expect(mean.some((share) => share > 0 && share < 1)).toBe(true);
  });

  it("refuses what nobody could look at", async () => {
    await expect(look("full", 100_000)).rejects.toThrow(/too long to look at/);
    const policy = await partOf("cache", "full");
    const prompt = quire.tokenizer.encode("Hello");
    await expect(inspectCache(quire.engine, prompt, { policy, every: 0.5 })).rejects.toThrow(/so often/);
  });
});
