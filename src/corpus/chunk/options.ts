/** Options that several chunkers share, so that a word means one thing. */

import { z } from "zod";

export const chunkTokens = z
  .int()
  .min(1)
  .max(1_000_000)
  .default(256)
  .describe("Most tokens in a chunk, 1 to 1,000,000; the header is not counted.");
