/** From a ranking to evidence: whole chunks, best first, each text once, as many as the budget holds. A chunk that does not fit is
 *  passed over, since a shorter one further down may. */

import { QuireError } from "../../errors.js";
import type { Chunk } from "../document.js";
import type { Candidate, Evidence, EvidenceBudget, SelectContext } from "./selector.js";

export interface Ranked {
  readonly candidate: Candidate;
  readonly score: number;
  readonly reason: string;
}

export function fillBudget(
  ranked: Iterable<Ranked>,
  budget: EvidenceBudget,
  by: string,
  { countTokens }: Pick<SelectContext, "countTokens">,
): Evidence[] {
  const most = checkedBudget(budget);
  const evidence: Evidence[] = [];
  const seen = new Set<string>();
  let left = most.tokens;
  for (const { candidate, score, reason } of ranked) {
    if (evidence.length >= most.passages) break;
    const { chunk } = candidate;
    const words = chunk.text.replace(/\s+/g, " ").trim();
    if (words === "" || seen.has(chunk.id) || seen.has(words)) continue;
    const tokens = countTokens(shownText(chunk));
    if (tokens > left) continue;
    left -= tokens;
    seen.add(chunk.id).add(words);
    evidence.push({ chunk, score, reason, by });
  }
  return evidence;
}

/** What a chunk costs is counted on its header and text as they are shown. */
export function shownText({ header, text }: Chunk): string {
  return header === "" ? text : `${header}\n${text}`;
}

export function checkedBudget({
  tokens,
  passages = Number.POSITIVE_INFINITY,
}: EvidenceBudget): Required<EvidenceBudget> {
  if (!(tokens > 0) || !(passages > 0)) {
    throw new QuireError("bad-option", "A budget for evidence must be above zero.", {
      got: { tokens, passages },
      expected: "tokens > 0 and passages > 0",
    });
  }
  return { tokens, passages };
}
