import type { CachePolicy } from "../../src/cache/policy.js";
import { parseMethodString } from "../../src/method.js";
import { partOf } from "../../src/methods.js";

/** The policies under test: names with options, to which each measurement adds the same number of entries. */

export const allPolicies = [
  ...["full", "window", "random", "snapkv", "h2o", "cake", "lazy-eviction", "chelsea"],
  ...["spatten", "chunkllm", "longheads"],
] as const;

/** These keep everything, and read no more of it than the others keep. */
export const readers: readonly string[] = ["spatten", "chunkllm", "longheads"];

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

/** The policy held to `entries` per layer and KV head, of `length`. All read the prompt whole before they cut, so that nobody sees less
 *  of it; only longheads is made to read less from the start. */
export async function policyWith(choice: string, entries: number, length: number): Promise<CachePolicy> {
  const { name, options } = parseMethodString(choice);
  if (name === "full") return partOf("cache", choice);
  const given: Record<string, unknown> = { ...sizesOf(name, entries, length), ...options };
  const pairs = Object.entries(given).map(([key, value]) => `${key}=${value}`);
  return partOf("cache", `${name}:${pairs.join(",")}`);
}

function sizesOf(name: string, entries: number, length: number): Record<string, unknown> {
  // Eight chunks, where so few entries can be parted so.
  const chunk = Math.max(1, Math.floor(entries / 8));
  if (name === "window") return { budget: entries, slices: false };
  if (name === "lazy-eviction") return { budget: entries, window: Math.max(1, Math.min(64, Math.floor(entries / 2))) };
  if (name === "spatten") return { tokenKeep: entries / length, headKeep: 1 };
  if (name === "chunkllm") return { budget: entries, local: Math.floor(entries / 2), longest: chunk };
  if (name === "longheads") return { window: Math.max(3, Math.floor(entries / chunk)) * chunk, chunk };
  return { budget: entries };
}
