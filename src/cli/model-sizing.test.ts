import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { oracle } from "../programs/decompose/tasks/oracle.case.js";
import { modelSizing } from "./model-sizing.js";
import type { Session } from "./session.js";

const session = {
  hint: () => {},
  progress: { show: () => {}, clear: () => {} },
  signal: new AbortController().signal,
} as unknown as Session;
let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "quire-sizing-"));
  vi.stubEnv("QUIRE_CACHE", folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

it("measures a model once, keeps what it learnt, and measures anew what cannot be read", async () => {
  const model = oracle(undefined, { contextTokens: 4096 });
  const first = await modelSizing(session, model, "here");
  const calls = model.requests.length;
  expect(calls).toBeGreaterThan(20);
  expect(first.errors.map(({ size, error }) => [size, error])).toEqual(
    [500, 1000, 2000, 4000].map((size) => [size, 0]),
  );
  expect(await modelSizing(session, model, "here")).toEqual(first);
  expect(model.requests).toHaveLength(calls);
  await modelSizing(session, model, "elsewhere");
  expect(model.requests).toHaveLength(2 * calls);
  const files = await readdir(join(folder, "sizing"));
  expect(files).toHaveLength(2);
  for (const file of files) await writeFile(join(folder, "sizing", file), "{ torn");
  await modelSizing(session, model, "here");
  expect(model.requests).toHaveLength(3 * calls);
});

it("measures a small window with texts that fit it", async () => {
  const model = oracle(undefined, { contextTokens: 600 });
  const { errors } = await modelSizing(session, model, "here");
  expect(Math.max(...errors.map(({ size }) => size))).toBeLessThan(2000);
});
