import { z } from "zod";
import { type Decoder, decoder } from "./decoder.js";

/** A decoder that writes nothing of its own: the given tokens go in, request by request, and the last row of each is shown. */
export function forcedDecoder(requests: readonly Int32Array[], show: (logits: Float32Array) => void): Decoder {
  return decoder({
    name: "forced",
    title: "A given text",
    options: z.object({}),
    exact: true,
    rewinds: false,
    *decode() {
      for (const tokens of requests) show((yield { tokens, want: "last" }).logits(tokens.length - 1).slice());
    },
  })();
}

/** A prompt, then so many single tokens. */
export function promptAndSteps(prompt: Int32Array, steps: number): Int32Array[] {
  return [prompt, ...Array.from({ length: steps }, (_, step) => Int32Array.of(1 + ((step * 37) % 200)))];
}
