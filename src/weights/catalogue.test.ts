import { describe, expect, test } from "vitest";
import { catalogue, defaultChatModel } from "./catalogue.js";
import type { PackageSource } from "./model-source.js";

const entries = [...catalogue.values()];
const packages = entries
  .flatMap((entry) => entry.sources)
  .filter((source): source is PackageSource => source.kind === "package");

describe("the catalogue", () => {
  test("names are plain and unique, sizes and memory make sense", () => {
    for (const { name, sizeBytes, minMemoryBytes, sources } of entries) {
      expect(name).toMatch(/^[a-z0-9]+([.-][a-z0-9]+)*$/);
      expect(sources.length).toBeGreaterThan(0);
      expect(minMemoryBytes, name).toBeGreaterThan(sizeBytes * 1.5);
    }
  });

  test("package sources add up: parts to files, members in wheels that exist, whole hashes", () => {
    expect(packages).toHaveLength(3);
    for (const { files, wheels, main } of packages) {
      expect(main === "" || files.some((file) => file.path === main)).toBe(true);
      for (const { parts, sizeBytes, sha256 } of files) {
        expect(parts.reduce((sum, part) => sum + part.sizeBytes, 0)).toBe(sizeBytes);
        expect(sha256).toMatch(/^[0-9a-f]{64}$/);
        // Parts are appended in order, wheel after wheel.
        expect(parts.map((part) => part.wheel)).toEqual(parts.map((part) => part.wheel).sort());
        for (const { wheel } of parts) expect(wheels[wheel]?.sha256).toMatch(/^[0-9a-f]{64}$/);
      }
    }
  });

  test("the first source's size and the known hash stand in front", () => {
    expect(catalogue.get("smollm2-135m-instruct")).toMatchObject({ sizeBytes: 98_362_432, sha256: /^b179c952/ });
    expect(catalogue.get("gemma-3-270m")).toMatchObject({ sizeBytes: 253_113_024, sha256: /^a5fd3b62/ });
    expect(catalogue.get("qwen3-4b")?.sha256).toBeUndefined();
  });
});

describe("the default model", () => {
  test("grows with the memory where the hub can be reached", () => {
    const chosen = [1, 2, 4, 8, 16, 64].map((gb) => defaultChatModel({ memoryBytes: gb * 1e9, reachable: true }).name);
    expect(chosen).toEqual([
      "smollm2-135m-instruct",
      "smollm2-135m-instruct",
      "qwen3-0.6b",
      "qwen2.5-1.5b-instruct",
      "qwen3-4b",
      "qwen3-4b",
    ]);
  });

  test("is what can be had where not", () => {
    const memoryBytes = 64e9;
    expect(defaultChatModel({ memoryBytes, reachable: false }).name).toBe("smollm2-135m-instruct");
    const installed = new Set(["qwen3-1.7b", "gemma-3-270m"]);
    expect(defaultChatModel({ memoryBytes, reachable: false, installed }).name).toBe("qwen3-1.7b");
    expect(defaultChatModel({ memoryBytes: 1e8, reachable: true }).name).toBe("smollm2-135m-instruct");
  });
});
