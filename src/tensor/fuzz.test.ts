import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

/** ggml ends the process on what it cannot do, so random calls run in a process of their own: it must end by itself. */

const script = fileURLToPath(new URL("./fuzz.case.ts", import.meta.url));

describe("random calls with random tensors", () => {
  it.each([
    { seed: 1, threads: 1 },
    { seed: 1_000_000, threads: 2 },
  ])("never end the process (from seed $seed, $threads threads)", ({ seed, threads }) => {
    const args = ["--import", "tsx", script, String(seed), "6", String(threads)];
    const child = spawnSync(process.execPath, args, { encoding: "utf8", maxBuffer: 2 ** 26 });
    const lines = child.stdout.trim().split("\n");
    const last = lines.at(-1) ?? "";
    expect({ signal: child.signal, status: child.status, last, errors: child.stderr.slice(0, 2000) }).toMatchObject({
      signal: null,
      status: 0,
      errors: "",
    });
    const { calls, answered, ran } = JSON.parse(last) as Record<string, number>;
    expect(calls).toBeGreaterThan(200);
    // Both halves must be there: calls that are answered, and calls that are refused.
    expect((answered ?? 0) / (calls ?? 1)).toBeGreaterThan(0.25);
    expect((answered ?? 0) / (calls ?? 1)).toBeLessThan(0.75);
    expect(ran).toBeGreaterThan(2);
  });
});
