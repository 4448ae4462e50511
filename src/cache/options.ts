import { z } from "zod";

/** Options that several cache policies share, so that a word never means two things. */

/** A share or a number of entries. */
export const budget = (standard: number) =>
  z
    .number()
    .refine((value) => value > 0 && (value <= 1 || Number.isSafeInteger(value)), {
      error: "must be a share above 0 and at most 1, or a whole number of entries above 1",
    })
    .default(standard)
    .describe("entries kept per layer and KV head: a share of the prompt (1 keeps all), or a number above 1");

export const sinks = (standard = 4) =>
  z.number().int().min(0).default(standard).describe("first tokens that always stay");

export const recent = (standard: number) =>
  z.number().int().min(1).default(standard).describe("newest tokens that always stay; at most half the budget");

export const every = z.number().int().min(1).default(1).describe("steps from one cut to the next");

export const seed = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(1).describe("seed of the choice");

export const kernel = z
  .number()
  .int()
  .min(1)
  .refine((value) => value % 2 === 1, { error: "must be odd" })
  .default(5)
  .describe("neighbours over which scores are averaged; odd");
