import type { DecodeContext, RowsRequest, RowsResult, SequenceMemory } from "../decoder.js";
import type { Draft, DraftNode, Proposal, ProposalWanted } from "../draft/draft.js";

/** A draft that is a model: its rows are evaluated into the draft's memory, and its law is what the sequence's sampler makes of their
 *  logits. The first call of a round feeds the text that its memory lacks; each level then takes one call.
 *
 *  Where that memory is the target's own (the first layers of it draft), all rows are taken back when drafting ends. */
export function modelDraft({ memory: targetMemory, draft }: Pick<DecodeContext, "memory" | "draft">): Draft {
  const { memory, vocabSize } = draft!;
  const text: number[] = [];
  const isShared = memory === targetMemory;
  /** Tokens of the text that its memory held before this round. */
  let round: Round | undefined;

  return {
    push(tokens) {
      const from = text.length;
      for (let i = 0; i < tokens.length; i++) text.push(tokens[i]!);
      if (!isShared) round?.settle(text, from);
      round = undefined;
    },
    *propose(nodes, wanted) {
      if (round === undefined) {
        round = new Round(memory);
        return yield* round.begin(nodes[0]!, text, wanted, vocabSize);
      }
      return yield* round.level(nodes, wanted, vocabSize);
    },
    finish() {
      if (isShared) round?.takeBack();
    },
  };
}

/** The rows of one round in the draft's memory. */
class Round {
  readonly #memory: SequenceMemory;
  readonly #held: number;
  /** Tokens held with the root. */
  #base = 0;
  /** Nodes in memory behind the text, parents first. */
  #nodes: DraftNode[] = [];
  #isChain = true;

  constructor(memory: SequenceMemory) {
    this.#memory = memory;
    this.#held = memory.length;
  }

  *begin(root: DraftNode, text: readonly number[], wanted: ProposalWanted, vocabSize: number) {
    const unread = Int32Array.from(text.slice(this.#memory.length));
    const result: RowsResult = yield { tokens: unread, want: "last", by: "draft" } satisfies RowsRequest;
    this.#base = this.#memory.length;
    return [proposalOf(root, result.logits(unread.length - 1), wanted, vocabSize)];
  }

  *level(
    nodes: readonly DraftNode[],
    wanted: ProposalWanted,
    vocabSize: number,
  ): Generator<RowsRequest, Proposal[], RowsResult> {
    const follows = nodes.length === 1 && (nodes[0]!.parent === this.#nodes.at(-1) || nodes[0]!.depth === 1);
    if (this.#isChain && follows) {
      this.#nodes.push(nodes[0]!);
      const result = yield { tokens: Int32Array.of(nodes[0]!.token), want: "last", by: "draft" };
      return [proposalOf(nodes[0]!, result.logits(0), wanted, vocabSize)];
    }
    // Rows that are in memory already would be seen by all: the tree is evaluated anew, as a whole.
    this.#isChain = false;
    this.#memory.rewind(this.#base);
    this.#nodes.push(...nodes);
    const rowOf = new Map(this.#nodes.map((node, row) => [node, row]));
    const parents = Int32Array.from(this.#nodes, ({ parent }) => rowOf.get(parent!) ?? -1);
    const tokens = Int32Array.from(this.#nodes, ({ token }) => token);
    const result = yield { tokens, want: "all", by: "draft", sees: { kind: "tree", parents } };
    return nodes.map((node) => proposalOf(node, result.logits(rowOf.get(node)!), wanted, vocabSize));
  }

  /** Keeps the rows of nodes that became text. */
  settle(text: readonly number[], from: number): void {
    const path: number[] = [];
    let above: DraftNode | undefined;
    for (let at = from; at < text.length; at++) {
      const row = this.#nodes.findIndex(
        ({ token, depth, parent }) =>
          token === text[at] && depth === at - from + 1 && (above === undefined || parent === above),
      );
      if (row < 0) break;
      path.push(row);
      above = this.#nodes[row];
    }
    if (this.#isChain) this.#memory.rewind(this.#base + path.length);
    else this.#memory.keepRows(this.#nodes.length, Int32Array.from(path));
  }

  takeBack(): void {
    this.#memory.rewind(this.#held);
  }
}

function proposalOf(node: DraftNode, logits: Float32Array, wanted: ProposalWanted, vocabSize: number): Proposal {
  const own = logits.length > vocabSize ? logits.subarray(0, vocabSize) : logits;
  return wanted.as === "ranked"
    ? { kind: "list", tokens: node.sampler().likeliest(own, wanted.count) }
    : { kind: "law", law: node.sampler().law(own) };
}
