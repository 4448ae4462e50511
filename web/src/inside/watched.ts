import type { Round, WatchEnd, WatchEvent } from "../api/inside.js";

/** What has been seen of a decoder at work, so far. */
export interface Watched {
  /** Text by answer or worker. */
  readonly channels: readonly string[];
  readonly rounds: readonly Round[];
  readonly branches: readonly Branch[];
  readonly end: WatchEnd | undefined;
}

export interface Branch {
  readonly branch: number;
  /** The branch that it goes on from; its own number where it goes on itself. */
  readonly from: number;
  readonly text: string;
  readonly reason?: string;
}

export const nothing: Watched = { channels: [], rounds: [], branches: [], end: undefined };

export function seen(so: Watched, event: WatchEvent): Watched {
  switch (event.type) {
    case "piece": {
      const channels = [...so.channels];
      for (let index = channels.length; index <= event.channel; index++) channels.push("");
      channels[event.channel] += event.text;
      return { ...so, channels };
    }
    case "round": {
      const { tokens, parents, accepted, next } = event;
      return { ...so, rounds: [...so.rounds, { tokens, parents, accepted, next }] };
    }
    case "branch":
      return {
        ...so,
        branches: [...so.branches, { branch: event.branch, from: event.from, text: event.tokens.join("") }],
      };
    case "branch-end":
      return {
        ...so,
        branches: so.branches.map((one) => (one.branch === event.branch ? { ...one, reason: event.reason } : one)),
      };
    case "end": {
      const { type: _, ...end } = event;
      return { ...so, end };
    }
    case "worker":
      return so;
  }
}

export interface PlacedNode {
  readonly row: number;
  readonly token: string;
  readonly depth: number;
  /** Which line it stands on; children take the lines that their parent's subtree needs. */
  readonly line: number;
  readonly parent: number;
  readonly accepted: boolean;
}

/** A tree from left to right: a node stands on the line of its first child. */
export function placeTree({ tokens, parents, accepted }: Round): { nodes: PlacedNode[]; lines: number; depth: number } {
  const children = new Map<number, number[]>();
  for (const [row, parent] of parents.entries()) children.set(parent, [...(children.get(parent) ?? []), row]);
  const taken = new Set(accepted);
  const nodes: PlacedNode[] = [];
  let lines = 0;
  let deepest = 0;
  const place = (row: number, depth: number): void => {
    const line = lines;
    const below = children.get(row) ?? [];
    for (const child of below) place(child, depth + 1);
    if (below.length === 0) lines++;
    deepest = Math.max(deepest, depth);
    nodes.push({ row, token: tokens[row] ?? "", depth, line, parent: parents[row] ?? -1, accepted: taken.has(row) });
  };
  for (const root of children.get(-1) ?? []) place(root, 0);
  return { nodes: nodes.sort((a, b) => a.row - b.row), lines, depth: deepest + 1 };
}

/** Spaces and line ends, so that they can be seen. */
export const visible = (token: string): string => token.replace(/ /g, "·").replace(/\n/g, "↵").replace(/\t/g, "→");
