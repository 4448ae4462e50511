import { FairShare } from "./fair-share.js";
import { noLoad, type PassLoad, withRows } from "./pass-costs.js";
import type { Planner, SequenceDemand } from "./planner.js";

/** An engine without a model: requests, a planner and a clock that a cost function moves. What it records is what the real loop would
 *  have done in passes of that length. */

export interface VirtualRequest {
  readonly promptRows: number;
  readonly outputTokens: number;
  readonly user?: string;
  readonly arrivesMs?: number;
  /** The prompt's rows cannot be cut. */
  readonly whole?: boolean;
}

export interface VirtualPass {
  readonly atMs: number;
  readonly ms: number;
  readonly shares: readonly { readonly id: number; readonly rows: number; readonly decoding: boolean }[];
  /** Who was decoding when the pass was planned. */
  readonly decoding: readonly number[];
}

export interface VirtualRun {
  readonly passes: readonly VirtualPass[];
  /** Times of the tokens of each request. */
  readonly tokensMs: readonly (readonly number[])[];
}

interface State extends VirtualRequest {
  readonly id: number;
  held: number;
  running: boolean;
  readonly tokensMs: number[];
}

export function virtualRun(
  planner: Planner,
  requests: readonly VirtualRequest[],
  { maxSequences, cost = ({ rows }) => rows }: { maxSequences: number; cost?(load: PassLoad): number },
): VirtualRun {
  const states: State[] = requests.map((request, id) => ({ ...request, id, held: 0, running: false, tokensMs: [] }));
  const arrivals = [...states].sort((a, b) => (a.arrivesMs ?? 0) - (b.arrivesMs ?? 0) || a.id - b.id);
  const fair = new FairShare();
  const live: State[] = [];
  const admitted: State[] = [];
  const passes: VirtualPass[] = [];
  let now = 0;
  const userOf = ({ user = "" }: State) => user;
  while (arrivals.length > 0 || live.length > 0) {
    if (live.length === 0) now = Math.max(now, arrivals[0]?.arrivesMs ?? 0);
    while (arrivals.length > 0 && (arrivals[0]?.arrivesMs ?? 0) <= now) {
      const state = arrivals.shift() as State;
      live.push(state);
      fair.enter(userOf(state));
    }
    const byId = new Map(live.map((state) => [state.id, state]));
    const waiting = live.filter((state) => !state.running);
    const order = [
      ...fair.order(
        waiting.map((state) => ({
          id: state.id,
          user: userOf(state),
          rows: state.promptRows,
          arrival: live.indexOf(state),
        })),
      ),
    ];
    const running = admitted.filter((state) => byId.has(state.id));
    const shares = planner.plan({
      running: running.map(demandOf),
      waiting: order.map(({ id }) => demandOf(byId.get(id) as State)),
      seats: maxSequences - running.length,
      admit: (id) => {
        const state = byId.get(id) as State;
        state.running = true;
        admitted.push(state);
        return demandOf(state);
      },
    });
    if (shares.length === 0) throw new Error("The planner moved nothing.");
    const decoding = running.filter((state) => demandOf(state).decoding).map(({ id }) => id);
    const taken = shares.map(({ id, rows }) => ({ id, rows, decoding: decoding.includes(id) }));
    const ms = cost(shares.reduce((sum, { id, rows }) => withRows(sum, rows, (byId.get(id) as State).held), noLoad));
    passes.push({ atMs: now, ms, shares: taken, decoding });
    now += ms;
    for (const { id, rows } of shares) {
      const state = byId.get(id) as State;
      if (!state.running || rows < 1 || rows > demandOf(state).rows) throw new Error(`${rows} rows of request ${id}`);
      state.held += rows;
      fair.serve(userOf(state), rows);
      if (state.held < state.promptRows) continue;
      state.tokensMs.push(now);
      if (state.tokensMs.length < state.outputTokens) continue;
      live.splice(live.indexOf(state), 1);
      fair.leave(userOf(state));
    }
  }
  return { passes, tokensMs: states.map(({ tokensMs }) => tokensMs) };
}

function demandOf({ id, promptRows, held, whole = false }: State): SequenceDemand {
  const decoding = held >= promptRows;
  return { id, rows: decoding ? 1 : promptRows - held, decoding, whole: whole && !decoding, held };
}

/** All times between two tokens of a request, pooled. */
export function gaps(tokensMs: readonly (readonly number[])[]): number[] {
  return tokensMs.flatMap((times) => times.slice(1).map((time, i) => time - (times[i] as number)));
}
