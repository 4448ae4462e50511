import type { CachePolicy } from "../../src/cache/policy.js";
import { parseMethodString } from "../../src/method.js";
import { partOf } from "../../src/methods.js";

/** The policies under test: names with options, to which each measurement adds the same number of entries. */

export const allPolicies = ["full", "window", "random", "snapkv", "h2o", "cake", "lazy-eviction", "chelsea"] as const;

/** Commas part policies and, inside one, options: "h2o,cake:gamma=0,kernel=1,snapkv" names three. */
export function parsePolicies(text: string): string[] {
  return text
    .split(/\s+|,(?!\s*\w+=)/)
    .map((one) => one.trim())
    .filter((one) => one !== "");
}

export function parseBudgets(text: string): number[] {
  const budgets = text.split(/[\s,]+/).map(Number);
  if (budgets.length === 0 || !budgets.every((budget) => budget > 0 && budget < 1))
    throw new RangeError(`Budgets are shares between 0 and 1, such as 0.2,0.1; got "${text}".`);
  return budgets;
}

/** The policy held to `entries` per layer and KV head. All read the prompt whole before they cut, so that nobody sees less of it. */
export async function policyWith(choice: string, entries: number): Promise<CachePolicy> {
  const { name, options } = parseMethodString(choice);
  if (name === "full") return partOf("cache", choice);
  const given: Record<string, unknown> = { budget: entries, ...options };
  if (name === "window") given["slices"] ??= false;
  if (name === "lazy-eviction") given["window"] ??= Math.max(1, Math.min(64, Math.floor(entries / 2)));
  const pairs = Object.entries(given).map(([key, value]) => `${key}=${value}`);
  return partOf("cache", `${name}:${pairs.join(",")}`);
}
