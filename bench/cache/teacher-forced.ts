import { z } from "zod";
import { type Decoder, decoder } from "../../src/decode/decoder.js";

/** A decoder that says what it is told: after the prompt it evaluates the given tokens, one a pass, and shows the logits before each.
 *  It hands out no tokens. */
export function teacherForced(
  tokens: Int32Array,
  onLogits: (index: number, logits: Float32Array) => void,
): () => Decoder {
  return decoder({
    name: "teacher-forced",
    title: "A given text, token by token",
    options: z.object({}),
    exact: true,
    rewinds: false,
    *decode({ prompt, memory }) {
      let rows = prompt.subarray(memory.length);
      for (const [index, token] of tokens.entries()) {
        const result = yield { tokens: rows, want: "last" };
        onLogits(index, result.logits(rows.length - 1));
        rows = Int32Array.of(token);
      }
    },
  });
}
