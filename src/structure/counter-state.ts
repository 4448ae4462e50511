import { createHash } from "node:crypto";
import { z } from "zod";
import { QuireError } from "../errors.js";

/** The state of private counters as text that notices damage: one line of SHA-256, then JSON. It holds exact counts and the noise already
 *  drawn, so it is as secret as the events; losing the noise would spend the budget twice. */

const numbers = z.array(z.number());
const ticks = z.int().nonnegative();
const treeState = z.object({ ticks, row: numbers, sums: z.array(numbers), noise: z.array(numbers) });
const rootState = z.object({ ticks, row: numbers, rows: numbers, noisy: numbers });
const intervalState = z.object({ ticks, counts: numbers, releasedAt: ticks, values: numbers, chosen: numbers });

const counterState = z.object({
  format: z.literal("quire-private-counters"),
  version: z.literal(1),
  /** Everything the noise depends on; must be the same to go on. */
  setting: z.record(z.string(), z.unknown()),
  labels: z.array(z.string()),
  window: z.string(),
  ticks,
  mechanism: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("tree"), state: treeState }),
    z.object({ kind: z.literal("sqrt"), state: rootState }),
    z.object({ kind: z.literal("recompute"), state: intervalState }),
    z.object({ kind: z.literal("nothing") }),
  ]),
  shown: numbers,
  total: z.number(),
  perUser: z.array(z.tuple([z.string(), z.number()])),
  clipped: z.object({ events: z.number(), amounts: z.number(), labels: z.number() }),
});

export type CounterState = z.output<typeof counterState>;

export function encodeState(state: CounterState): string {
  const body = JSON.stringify(state);
  return `${digest(body)}\n${body}\n`;
}

export function decodeState(text: string): CounterState {
  const damaged = (why: string, cause?: unknown): never => {
    throw new QuireError("bad-file", `The state of the private counters cannot be used: ${why}.`, {
      expected: "the text that state() gave, unchanged",
      fix: "Restore a copy of the last state written, or start a new window with a new budget.",
      cause,
    });
  };
  const cut = text.indexOf("\n");
  const body = text.slice(cut + 1).trimEnd();
  if (cut < 0 || digest(body) !== text.slice(0, cut)) damaged("its checksum does not fit");
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch (cause) {
    damaged("it is not JSON", cause);
  }
  const state = counterState.safeParse(parsed);
  return state.success ? state.data : damaged("it has another form", state.error);
}

function digest(body: string): string {
  return createHash("sha256").update(body).digest("hex");
}
