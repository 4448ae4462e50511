import { z } from "zod";
import { type SequenceDemand, type Share, schedule } from "./planner.js";

/** Whole prefill: a new prompt runs at once and whole, before anybody decodes. Continuous batching as it was before slices.
 *  Takes    rows wanted by each sequence
 *  Does     while a prompt is waiting: passes of whole prompts only; otherwise one pass of all decoding rows
 *  Cost     each prompt reads the weights once; while a long one runs, every reader waits
 *  Not      sarathi (slices, decodes ride along), prefill-only (slices, nobody rides along) */
export const wholePrefill = schedule({
  name: "whole-prefill",
  title: "New prompts whole and first, decodes wait",
  options: z.object({
    budget: z.number().int().min(1).default(8192).describe("rows of prompts joined in a pass; one prompt always fits"),
  }),
  planner:
    ({ budget }) =>
    ({ running, waiting, seats, admit }) => {
      const shares: Share[] = [];
      let rows = 0;
      const add = (demand: SequenceDemand) => {
        shares.push({ id: demand.id, rows: demand.rows });
        rows += demand.rows;
      };
      for (const demand of running) {
        if (!demand.decoding && (rows === 0 || rows + demand.rows <= budget)) add(demand);
      }
      for (const { id, rows: wanted } of waiting.slice(0, seats)) {
        if (rows > 0 && rows + wanted > budget) break;
        const admitted = admit(id);
        if (admitted === undefined) break;
        add(admitted);
      }
      if (shares.length > 0) return shares;
      for (const demand of running) add(demand);
      return shares;
    },
});
