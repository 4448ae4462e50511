import { defineConfig } from "vitest/config";

// Two workers: the tests that load a model are memory- and core-bound, more would only make them wait for each other.
export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "bench/**/*.test.ts", "web/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
