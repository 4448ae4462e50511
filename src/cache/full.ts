import { z } from "zod";
import { cachePolicy, type PolicyRun } from "./policy.js";

const stateless: PolicyRun = { clone: () => stateless };

/** Full: keeps everything. The baseline of every policy, and free: nothing is observed, nothing is done. */
export const full = cachePolicy({
  name: "full",
  title: "Keeps everything",
  options: z.object({}),
  rewinds: true,
  create: () => stateless,
});
