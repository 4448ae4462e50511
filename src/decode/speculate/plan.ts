import type { TreeShape } from "./grow.js";

/** Decides what is drafted next, from what earlier rounds gave. It may look at what was accepted and at time, but never at drafted
 *  tokens that were not tested: what is drawn for a position must tell nothing about how it is tested. */
export interface ShapePlan {
  /** The shape of the next round; undefined for none, which is plain decoding. */
  next(): TreeShape | undefined;
  /** Books a round. */
  learn?(round: RoundOutcome): void;
  /** A draft that costs nothing is asked also where it is not used, to see whether it would have been right. */
  readonly watchesUnused?: boolean;
}

export interface RoundOutcome {
  /** Rows of the target's call. */
  readonly rows: number;
  readonly shape: TreeShape | undefined;
  /** The first token of the text that was tested against a draft, then the next; true where it was one of those drafted. `draw` says
   *  which of the node's draws it was. */
  readonly tests: readonly { readonly accepted: boolean; readonly draw: number; readonly draws: number }[];
  /** The call that read the prompt. */
  readonly isPrompt?: boolean;
  /** Tokens that came out. */
  readonly emitted: number;
  readonly draftCalls: number;
  readonly draftMs: number;
  readonly targetMs: number;
}

export function fixedShape(shape: TreeShape): ShapePlan {
  return { next: () => shape };
}

/** Chains that follow their luck: twice as long after a full hit, as long as what was accepted after a miss. */
export function luckyChain(longest: number): ShapePlan {
  let length = Math.min(2, longest);
  return {
    next: () => ({ kind: "constant", branches: new Array<number>(length).fill(1) }),
    learn({ tests }) {
      if (tests.length === 0) return;
      const accepted = tests.filter((test) => test.accepted).length;
      length = accepted === tests.length ? Math.min(2 * length, longest) : Math.max(1, accepted);
    },
  };
}
