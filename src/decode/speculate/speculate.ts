import type { DecodeContext, RowsRequest, RowsResult, SequenceMemory } from "../decoder.js";
import type { Draft } from "../draft/draft.js";
import { type Growth, growTree } from "./grow.js";
import type { RoundOutcome, ShapePlan } from "./plan.js";
import type { VerificationRule } from "./rules.js";
import { SpeculationStats } from "./stats.js";
import { DraftTree, type TreeNode } from "./tree.js";
import { type Walk, walk } from "./walk.js";

/** Speculative decoding: a draft proposes a tree, one call of the target checks all of it, one path and one more token come out. What
 *  differs between decoders is the tree's shape and the rule of acceptance.
 *
 *  A node whose children were drawn from a law is tested by the rule. Where a draft only lists tokens, or nothing is drawn at all, the
 *  token is drawn from the target and followed if it is among them: the same law, and the very tokens of plain decoding. */

export interface Speculation {
  readonly draft: Draft;
  readonly plan: ShapePlan;
  readonly rule: VerificationRule;
  /** Milliseconds, to tell the plan what calls took; default the clock of the process. */
  readonly now?: () => number;
}

export function* speculate(
  context: DecodeContext,
  { draft, plan, rule, now = () => performance.now() }: Speculation,
): Generator<RowsRequest, void, RowsResult> {
  const { prompt, memory, sampler } = context;
  const stats = new SpeculationStats(context.stats);
  const unread = prompt.subarray(memory.length);
  const begun = now();
  const result = yield { tokens: unread, want: "last" };
  plan.learn?.({ ...promptOnly, rows: unread.length, targetMs: now() - begun });
  const choice = sampler.next(result.logits(unread.length - 1), memory.length);
  if (context.emit(choice)) return;
  draft.push(prompt);
  let news: readonly number[] = [choice.token];
  for (;;) {
    draft.push(news);
    const tree = new DraftTree(news.at(-1)!, sampler);
    try {
      const { walked, outcome } = yield* round(context, tree, { draft, plan, rule, now });
      stats.book(outcome);
      plan.learn?.(outcome);
      if (walked.over) return;
      news = walked.tokens;
    } finally {
      tree.close();
    }
  }
}

const promptOnly = { isPrompt: true, shape: undefined, tests: [], emitted: 1, draftCalls: 0, draftMs: 0 } as const;

function* round(
  context: DecodeContext,
  tree: DraftTree,
  { draft, plan, rule, now }: Required<Speculation>,
): Generator<RowsRequest, { walked: Walk; outcome: RoundOutcome }, RowsResult> {
  const { memory, sampler, remaining, tokenizer } = context;
  const base = memory.length;
  // One token comes out in any case.
  const deepest = remaining() - 1;
  const shape = deepest > 0 ? plan.next() : undefined;
  const begun = now();
  let draftCalls = 0;
  if (shape !== undefined) {
    draftCalls = yield* counted(
      growTree(tree, {
        ...{ draft, shape, deepest, endTokens: tokenizer.endTokens, greedy: sampler.greedy },
        uniform: (depth, index) => sampler.uniform(base + depth, "draft", index),
      }),
    );
    draft.finish?.();
  } else if (plan.watchesUnused === true) {
    tree.root.proposal = (yield* draft.propose([tree.root], { as: "ranked", count: 1 }))[0];
  }
  const drafted = now();
  const result = yield verification(tree);
  const targetMs = now() - drafted;
  const walked = walk(context, tree, result, base + 1, rule);
  // The newest token is not held, also where it was drafted and the sequence ends with it: as in plain decoding.
  const emitted = walked.tokens.length;
  keep(memory, tree, base, walked.accepted.slice(0, emitted - 1));
  const { nodes } = tree;
  context.watch?.({
    kind: "round",
    tokens: nodes.slice(1).map(({ token }) => token),
    parents: nodes.slice(1).map(({ parent }) => parent!.index - 1),
    accepted: walked.accepted.map(({ index }) => index - 1),
    next: walked.tokens.at(-1)!,
  });
  const tests = shape === undefined ? unusedTest(tree.root, walked.tokens[0]!) : walked.tests;
  return {
    walked,
    outcome: { rows: nodes.length, shape, tests, emitted, draftCalls, draftMs: drafted - begun, targetMs },
  };
}

/** The anchor and all nodes. Rows that follow one another need no tree. */
function verification(tree: DraftTree): RowsRequest {
  const tokens = Int32Array.from(tree.nodes, ({ token }) => token);
  if (tree.isChain) return { tokens, want: "all" };
  const parents = Int32Array.from(tree.nodes, ({ parent }) => parent?.index ?? -1);
  return { tokens, want: "all", sees: { kind: "tree", parents } };
}

function keep(memory: SequenceMemory, tree: DraftTree, base: number, path: readonly TreeNode[]): void {
  if (tree.isChain) memory.rewind(base + 1 + path.length);
  else memory.keepRows(tree.nodes.length, Int32Array.of(0, ...path.map(({ index }) => index)));
}

function unusedTest({ proposal }: TreeNode, next: number): RoundOutcome["tests"] {
  if (proposal?.kind !== "list" || proposal.tokens.length === 0) return [];
  const accepted = proposal.tokens[0] === next;
  return [{ accepted, draw: accepted ? 0 : -1, draws: 1 }];
}

/** Passes requests on and counts them. */
function* counted(growth: Growth): Generator<RowsRequest, number, RowsResult> {
  let calls = 0;
  let step = growth.next();
  while (step.done !== true) {
    calls++;
    step = growth.next(yield step.value);
  }
  return calls;
}
