import { z } from "zod";
import { type SequenceDemand, type Share, schedule } from "./planner.js";

/** Prefill only: prompts come in slices, but a pass carries slices or decoding rows, never both; the two take turns.
 *  Takes    rows wanted by each sequence
 *  Does     after a pass of decoding rows: a pass of slices, oldest first, up to the budget; after a pass of slices: all decoding rows
 *  Cost     two passes where sarathi has one, so weights are read twice
 *  Not      sarathi (decodes ride along), whole-prefill (prompts whole, decodes wait until they are in) */
export const prefillOnly = schedule({
  name: "prefill-only",
  title: "Slices and decodes in passes of their own, by turns",
  options: z.object({ budget: z.number().int().min(1).default(512).describe("rows of a pass of slices") }),
  planner: ({ budget }) => {
    let sliced = false;
    return ({ running, waiting, seats, admit }) => {
      const decoding = running.filter((demand) => demand.decoding);
      if (sliced && decoding.length > 0) {
        sliced = false;
        return decoding.map(({ id, rows }) => ({ id, rows }));
      }
      const shares: Share[] = [];
      let left = budget;
      const addSlice = ({ id, rows, whole }: SequenceDemand) => {
        const slice = whole && left > 0 ? rows : Math.min(rows, left);
        if (slice <= 0) return;
        shares.push({ id, rows: slice });
        left -= slice;
      };
      for (const demand of running) if (!demand.decoding) addSlice(demand);
      for (const { id } of waiting.slice(0, seats)) {
        if (left <= 0) break;
        const admitted = admit(id);
        if (admitted === undefined) break;
        addSlice(admitted);
      }
      sliced = shares.length > 0;
      return sliced ? shares : decoding.map(({ id, rows }) => ({ id, rows }));
    };
  },
});
