import { z } from "zod";
import { decoder } from "./decoder.js";

/** Autoregressive: one token a pass, drawn from the model's own distribution. The baseline of every decoder.
 *  Takes    logits f32 [V] of the newest row
 *  Gives    one token a pass
 *  Cost     one row a token */
export const autoregressive = decoder({
  name: "autoregressive",
  title: "One token a pass",
  options: z.object({}),
  exact: true,
  rewinds: false,
  *decode({ prompt, memory, sampler, emit }) {
    let rows = prompt.subarray(memory.length);
    for (;;) {
      const result = yield { tokens: rows, want: "last" };
      const choice = sampler.next(result.logits(rows.length - 1), memory.length);
      if (emit(choice)) return;
      rows = Int32Array.of(choice.token);
    }
  },
});
