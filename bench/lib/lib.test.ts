import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { benches } from "../registry.js";
import { alternate } from "./alternate.js";
import { startContender } from "./contender.js";
import { withFigures } from "./readme-figures.js";
import { type Report, reached } from "./report.js";
import { median, pairedRatio, quantile, single, spread } from "./statistics.js";
import { reportMarkdown, writeReport } from "./write-report.js";

describe("statistics", () => {
  it("takes quantiles between neighbours, in any order", () => {
    expect(quantile([4, 1, 3, 2], 0.25)).toBe(1.75);
    expect(median([9, 1, 5])).toBe(5);
    expect(spread([1, 2, 3, 4, 5])).toEqual({ value: 3, low: 2, high: 4, n: 5 });
  });

  it("pairs rounds, so that drift cancels out", () => {
    expect(pairedRatio([2, 20, 200], [1, 10, 100])).toBe(2);
    expect(() => pairedRatio([1], [1, 2])).toThrow(/as many rounds/);
  });
});

describe("turns", () => {
  it("go A B B A after a warm-up of each", async () => {
    const order: string[] = [];
    const contenders = ["A", "B"].map((name) => ({
      name,
      run: async (task: number) => {
        order.push(name);
        return task + order.length;
      },
    }));
    const results = await alternate({ contenders, task: 0, rounds: 2 });
    expect(order).toEqual(["A", "B", "A", "B", "B", "A"]);
    expect(results.get("A")).toEqual([3, 6]);
    expect(results.get("B")).toEqual([4, 5]);
  });
});

describe("contenders", () => {
  it("run in a process of their own and pass errors on", async () => {
    const module = new URL("./contender.case.ts", import.meta.url);
    const running = await startContender<number, number, { sum: number; pid: number }>({
      name: "adder",
      module,
      load: 40,
    });
    try {
      expect(running.versions).toEqual({ adder: "1" });
      const { sum, pid } = await running.run(2);
      expect(sum).toBe(42);
      expect(pid).not.toBe(process.pid);
      await expect(running.run(-1)).rejects.toThrow(/adder: .*negative/);
      expect((await running.run(1)).sum).toBe(41);
    } finally {
      await running.close();
    }
  });
});

describe("reports", () => {
  const report: Report = {
    bench: "sample",
    title: "Speed of A & B",
    summary: "What it says.",
    columns: { speed: { title: "speed", unit: "m/s", digits: 1, better: "higher" } },
    rows: [
      { setting: "uphill", contender: "A", measures: { speed: spread([1, 2, 3]) } },
      { setting: "uphill", contender: "B", measures: { speed: single(4) } },
      { setting: "flat", contender: "A", measures: {} },
    ],
    ratios: { aOverB: 0.5, free: 3 },
    targets: { aOverB: { atLeast: 1 } },
    checks: [{ name: "equal", passed: false, detail: "1 of 2" }],
    charts: [{ measure: "speed", title: "Speed" }],
    versions: { a: "1.0" },
    notes: ["A note."],
    machine: { cpu: "x", cores: 2, memoryGiB: 4, system: "s", node: "v20", loadBefore: 0.1, loadAfter: 0.2 },
    seed: 1,
    date: "2026-01-02T03:04:05.000Z",
    quick: true,
    seconds: 3,
  };

  it("show every row, what was wanted, and what failed", () => {
    const text = reportMarkdown(report);
    expect(text).toContain("| uphill | A | 2.0 (1.5–2.5) |");
    expect(text).toContain("| uphill | B | 4.0 |");
    expect(text).toContain("| `aOverB` | 0.500 | ≥ 1 | **no** |");
    expect(text).toContain("| `free` | 3 |  |  |");
    expect(text).toContain("✗ equal: 1 of 2");
    expect(text).toContain("not to be quoted");
  });

  it("are written as table, picture and the same numbers as data", async () => {
    const folder = await mkdtemp(join(tmpdir(), "quire-bench-report-"));
    try {
      await writeReport(report, folder);
      expect(JSON.parse(await readFile(join(folder, "sample.json"), "utf8"))).toEqual(report);
      const svg = await readFile(join(folder, "sample.svg"), "utf8");
      expect(svg).toContain("Speed of A &amp; B");
      expect(svg.match(/<rect /g)).toHaveLength(3);
      const widths = [...svg.matchAll(/<rect x="250" [^>]*? width="([\d.]+)"/g)].map(([, width]) => Number(width));
      expect(widths[1]).toBeCloseTo(2 * (widths[0] ?? 0), 0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("know what a target means", () => {
    expect(reached(1, { atLeast: 1 })).toBe(true);
    expect(reached(1.1, { atMost: 1 })).toBe(false);
    expect(reached(Number.NaN, { atLeast: 1 })).toBe(false);
    expect(reached(1, undefined)).toBeUndefined();
  });
});

describe("the registry", () => {
  it("loads every bench", async () => {
    for (const load of Object.values(benches)) expect((await load()).title).not.toBe("");
  });
});

describe("the README", () => {
  it("shows the figures of docs/results", async () => {
    const root = new URL("../..", import.meta.url).pathname;
    const readme = await readFile(join(root, "README.md"), "utf8");
    expect(readme).toBe(await withFigures(readme, join(root, "docs", "results")));
  });
});
