import { isQuireError } from "../errors.js";
import type { Generation } from "../programs/language-model.js";
import type { Program } from "../programs/program.js";
import { asRecord, type BatchJob, type ErrorRecord } from "./job.js";

/** Many calls that have nothing to do with each other. One that fails leaves its error in its place. */

export type BatchAnswer = { readonly id: string } & (
  | Pick<Generation, "text" | "finishReason" | "usage">
  | { readonly error: ErrorRecord }
);

export const batch: Pick<Program<BatchJob["requests"], BatchAnswer[]>, "kind" | "name" | "label" | "run"> = {
  kind: "program",
  name: "batch",
  label: "batch",
  run: (requests, context) =>
    context.map("request", requests, async ({ id, ...request }, inner) => {
      try {
        const { text, finishReason, usage } = await inner.ask(request);
        return { id, text, finishReason, usage };
      } catch (error) {
        if (!isQuireError(error) || inner.signal.aborted) throw error;
        return { id, error: asRecord(error) };
      }
    }),
};
