import { z } from "zod";
import { QuireError } from "../../errors.js";
import { noLoad, type PassCosts, type PassLoad, tiledRows, withRows } from "./pass-costs.js";
import { type PassDemand, type SequenceDemand, type Share, schedule } from "./planner.js";

/** SARATHI: decoding rows always run; prompts come in slices that fill what a row budget leaves.
 *  Paper    Agrawal et al. 2023, "SARATHI: Efficient LLM Inference by Piggybacking Decodes with Chunked Prefills", arXiv 2308.16369;
 *           the form built is that of its successor Sarathi-Serve, arXiv 2403.02310. Page: docs/methods/sarathi.md
 *  Takes    rows wanted by each sequence, and which of them are decoding
 *  Does     each pass: all decoding rows; then a slice of each prompt that has begun, oldest first; then new prompts in the order of the
 *           queue, until the budget is used up. With `tbt-target` the budget of a pass is what the measured costs allow
 *  Cost     planning O(sequences); weights are read once a slice instead of once a prompt
 *  Differs  a slice of 64 rows or more that ends inside its prompt has a multiple of 64, the tile of attention on processors; rows of
 *           a decoder that drafts are decoding rows, however many; with `tbt-target` a prompt gets at least 8 rows a pass, or it would
 *           never end on a machine that misses the target by decoding alone
 *  Not      whole-prefill, prefill-only, request-level (its baselines); chunks of documents are something else, so parts of a
 *           prompt are called slices
 *  Errors   bad-option when the budget is smaller than the number of sequences that may run at once */
export const sarathi = schedule({
  name: "sarathi",
  title: "Cut long prompts into slices and let decodes ride along",
  arxiv: "2308.16369",
  options: z.object({
    budget: z.number().int().min(1).optional().describe("rows of a pass; 512, or what tbt-target allows"),
    "tbt-target": z.number().positive().optional().describe("milliseconds a pass may take while others are decoding"),
    cap: z.number().int().min(0).default(0).describe("rows of one prompt in a pass at most; 0 = no cap"),
  }),
  needsCosts: (options) => options["tbt-target"] !== undefined,
  planner: ({ budget, cap, "tbt-target": targetMs }, { maxSequences, costs }) => {
    if (budget !== undefined && budget < maxSequences) {
      throw new QuireError(
        "bad-option",
        `sarathi: a budget of ${budget} rows is less than ${maxSequences} sequences.`,
        {
          got: `budget ${budget}, ${maxSequences} sequences at once`,
          expected: "a budget of at least one row a sequence",
          fix: "Raise the budget, or let fewer sequences run at once.",
        },
      );
    }
    if (targetMs === undefined) return (pass) => planSlices(pass, fixedRoom(budget ?? 512), cap);
    if (costs === undefined) {
      throw new QuireError("bad-option", "sarathi: tbt-target needs the measured costs of passes.", {
        fix: "Give a budget, or measure the costs first.",
      });
    }
    const most = budget ?? 2048;
    return (pass) => planSlices(pass, timedRoom(costs, targetMs, most), cap);
  },
});

/** Rows that the next slice may have, given what the pass holds already. */
type Room = (chosen: Chosen, held: number) => number;

interface Chosen {
  readonly load: PassLoad;
  readonly slices: number;
}

/** Slices are multiples of this where times decide: products of weights are computed in tiles of rows. */
const tile = 8;
/** Share of the target that is planned for; the rest is what happens between passes. */
const planned = 0.95;

function fixedRoom(budget: number): Room {
  return ({ load }) => budget - load.rows;
}

function timedRoom(costs: PassCosts, targetMs: number, most: number): Room {
  return (chosen, held) => {
    const rows = costs.rowsWithin(planned * targetMs, {
      anyway: chosen.load,
      held,
      tile,
      most: most - chosen.load.rows,
    });
    return chosen.slices === 0 ? Math.max(tile, rows) : rows;
  };
}

/** Of `rows` at most `most`; a slice that ends inside the prompt and has several tiles of rows has full ones. */
function fullTiles(rows: number, most: number): number {
  if (rows <= most || most < tiledRows) return Math.min(rows, most);
  return most - (most % tiledRows);
}

function planSlices({ running, waiting, seats, admit }: PassDemand, room: Room, cap: number): Share[] {
  const shares: Share[] = [];
  let chosen: Chosen = { load: noLoad, slices: 0 };
  const add = ({ id, held }: SequenceDemand, rows: number, slices: number) => {
    shares.push({ id, rows });
    chosen = { load: withRows(chosen.load, rows, held), slices: chosen.slices + slices };
  };
  const addSlice = (demand: SequenceDemand): boolean => {
    const left = room(chosen, demand.held);
    // What cannot be cut runs as soon as anything of it may, or it would never run.
    const rows = demand.whole && left > 0 ? demand.rows : fullTiles(demand.rows, Math.min(left, cap > 0 ? cap : left));
    if (rows <= 0) return false;
    add(demand, rows, 1);
    return true;
  };
  for (const demand of running) if (demand.decoding) add(demand, demand.rows, 0);
  for (const demand of running) if (!demand.decoding) addSlice(demand);
  let free = seats;
  for (const { id, held } of waiting) {
    if (free === 0 || room(chosen, held) <= 0) break;
    const admitted = admit(id);
    if (admitted === undefined) break;
    free--;
    addSlice(admitted);
  }
  return shares;
}
