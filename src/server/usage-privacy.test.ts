import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { seededBytes } from "../structure/dp-continual.js";
import { openUsagePrivacy, others, usageMetrics } from "./usage-privacy.js";
import { parseUsagePrivacy } from "./usage-privacy-setting.js";

const hour = 3_600_000;

function place(options: { setting?: string; folder?: string; clock?: { now: number }; seed?: number } = {}) {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "quire-usage-"));
  const clock = options.clock ?? { now: 1_700_000_000_000 };
  const open = (tenants = ["blue", "red"]) =>
    openUsagePrivacy({
      folder,
      setting: parseUsagePrivacy(options.setting ?? "epsilon=3,horizon=30d"),
      tenants,
      documents: ["a.md", "b.md"],
      now: () => clock.now,
      bytes: seededBytes(options.seed ?? 1),
    });
  return { folder, clock, open };
}

const value = (figures: readonly { name: string; value: number }[], name: string) =>
  figures.find((figure) => figure.name === name)?.value;

test("counts are near the truth, within what the report itself says", () => {
  const { clock, open } = place();
  const usage = open();
  for (let i = 0; i < 4000; i++) {
    usage.record(`u${i % 50}`, { tenant: i % 4 === 0 ? "red" : "blue", tokens: 640, documents: ["b.md"] });
  }
  clock.now += 2 * hour;
  const report = usage.report();
  for (const [figures, name, truth] of [
    [report.requests, "blue", 3000],
    [report.requests, "red", 1000],
    [report.tokens, "red", 640_000],
    [report.documents, "b.md", 4000],
  ] as const) {
    const figure = figures.find((one) => one.name === name)!;
    expect(figure.error95).toBeGreaterThan(0);
    expect(Math.abs(figure.value - truth)).toBeLessThan(2.5 * figure.error95);
    expect(figure.error95).toBeLessThan(truth / 2);
  }
  expect(report).toMatchObject({ epsilon: 3, unit: "event", promise: expect.stringContaining("30 days") });
});

test("nothing moves within a tick, and reading again shows the same", () => {
  const { clock, open } = place();
  const usage = open();
  clock.now += hour;
  const before = usage.report();
  for (let i = 0; i < 500; i++) usage.record("u", { tenant: "blue" });
  expect(usage.report()).toEqual(before);
  clock.now += hour;
  expect(value(usage.report().requests, "blue")).toBeGreaterThan(value(before.requests, "blue")! + 200);
});

test("a restart goes on: counts, noise and budget stay", () => {
  const { folder, clock, open } = place();
  const first = open();
  for (let i = 0; i < 800; i++) first.record("u", { tenant: "blue", tokens: 100 });
  clock.now += 3 * hour;
  const shown = first.report();
  for (let i = 0; i < 700; i++) first.record("u", { tenant: "blue" });
  first.close();
  // Another source of noise: what was shown comes from the file, not from drawing alike again.
  const second = place({ folder, clock, seed: 99 }).open(["blue", "green"]);
  expect(second.report()).toEqual(shown);
  second.record("u", { tenant: "green" });
  clock.now += hour;
  const after = second.report();
  expect(value(after.requests, "blue")).toBeGreaterThan(1300);
  // Announced after the window began, so it counts with the others until the next.
  expect(after.requests.map(({ name }) => name)).toEqual(["blue", "red", others]);
});

test("a window ends, and the next begins with its own names and counts", () => {
  const { clock, open } = place({ setting: "epsilon=3,horizon=2d" });
  const usage = open();
  for (let i = 0; i < 900; i++) usage.record("u", { tenant: "blue" });
  clock.now += 49 * hour;
  const report = usage.report();
  expect(report.window.start).toBe(new Date(clock.now).toISOString());
  expect(value(report.requests, "blue")).toBeLessThan(400);
});

test("a clock that goes back stands still", () => {
  const { clock, open } = place();
  const usage = open();
  clock.now += 5 * hour;
  const shown = usage.report();
  clock.now -= 4 * hour;
  usage.record("u", { tenant: "blue" });
  expect(usage.report()).toEqual(shown);
});

test("a damaged state and another setting are refused, with what to do", () => {
  const { folder, clock, open } = place();
  open().close();
  expect(() => place({ folder, clock, setting: "epsilon=1,horizon=30d" }).open()).toThrow(/another epsilon/);
  const path = join(folder, "usage-privacy.json");
  writeFileSync(path, readFileSync(path, "utf8").slice(0, -20));
  expect(() => open()).toThrow(expect.objectContaining({ code: "bad-file", fix: expect.stringContaining("Restore") }));
});

test("users: what is beyond the cap does not count", () => {
  const { clock, open } = place({ setting: "epsilon=10,horizon=2d,unit=user,per-user=3" });
  const usage = open();
  for (let i = 0; i < 100_000; i++) usage.record("one", { tenant: "blue" });
  clock.now += hour;
  expect(value(usage.report().requests, "blue")).toBeLessThan(1000);
});

test("the metrics page has figures and their errors", () => {
  const { clock, open } = place();
  const usage = open(['we"ird']);
  clock.now += hour;
  const text = usageMetrics(usage.report());
  expect(text).toContain('quire_usage_requests{tenant="we\\"ird"} ');
  expect(text).toMatch(/quire_usage_tokens_error95\{tenant="others"\} \d+/);
});

test("the option", () => {
  expect(parseUsagePrivacy("epsilon=1,horizon=365d")).toEqual({
    epsilon: 1,
    delta: 1e-6,
    ticks: 8760,
    tickMs: hour,
    unit: "event",
    perUser: 1000,
    tokens: 8192,
  });
  for (const [text, said] of [
    ["epsilom=1", /Did you mean epsilon|no setting/],
    ["epsilon=0", /epsilon cannot be/],
    ["epsilon=", /epsilon cannot be/],
    ["horizon=10", /horizon cannot be/],
    ["horizon=1m", /horizon does not suit/],
    ["unit=tenant", /unit cannot be/],
    ["per-user=5", /needs unit=user/],
    ["epsilon=1,epsilon=2", /twice/],
  ] as const) {
    expect(() => parseUsagePrivacy(text)).toThrow(said);
  }
});
