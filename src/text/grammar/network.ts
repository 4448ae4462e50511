/** A grammar as a network of nodes: from a node one goes on by a byte, freely, or through a rule and on behind it. Checked when
 *  made: all rules exist, none begins with itself, and the start can be finished. */

import { QuireError } from "../../errors.js";
import type { Expression, Grammar } from "./expression.js";
import { type ByteRange, utf8Ranges } from "./utf8-ranges.js";

export interface NetworkNode {
  /** Byte ranges and where they lead; flat: from, to, node. */
  readonly bytes: number[];
  readonly free: number[];
  /** Rules that may begin here, and the node behind each; flat: entry, node. */
  readonly calls: number[];
  /** The rule may end here. */
  ends: boolean;
  /** Fewest bytes to the end of the rule. */
  distance: number;
}

export interface Network {
  readonly nodes: readonly NetworkNode[];
  readonly start: number;
}

const mostNodes = 400_000;

export function buildNetwork(grammar: Grammar): Network {
  const nodes: NetworkNode[] = [];
  const entries = new Map<string, number>();

  const newNode = (): number => {
    if (nodes.length >= mostNodes) {
      throw new QuireError("unsupported", "The grammar is too large.", {
        got: `more than ${mostNodes} states`,
        expected: "smaller limits on lengths and numbers of items",
      });
    }
    nodes.push({ bytes: [], free: [], calls: [], ends: false, distance: Number.POSITIVE_INFINITY });
    return nodes.length - 1;
  };

  const addBytes = (from: number, ranges: readonly ByteRange[], to: number): void => {
    let at = from;
    for (const [i, [low, high]] of ranges.entries()) {
      const next = i + 1 === ranges.length ? to : newNode();
      nodes[at]!.bytes.push(low, high, next);
      at = next;
    }
  };

  const add = (expression: Expression, from: number, to: number): void => {
    switch (expression.kind) {
      case "text": {
        const bytes = new TextEncoder().encode(expression.text);
        if (bytes.length === 0) nodes[from]!.free.push(to);
        else
          addBytes(
            from,
            Array.from(bytes, (byte): ByteRange => [byte, byte]),
            to,
          );
        return;
      }
      case "characters":
        for (const range of expression.ranges) for (const bytes of utf8Ranges(range)) addBytes(from, bytes, to);
        return;
      case "sequence": {
        let at = from;
        for (const [i, item] of expression.items.entries()) {
          const next = i + 1 === expression.items.length ? to : newNode();
          add(item, at, next);
          at = next;
        }
        if (expression.items.length === 0) nodes[from]!.free.push(to);
        return;
      }
      case "choice":
        for (const option of expression.options) {
          // A fresh node for each, so that loops inside one option do not lead into another.
          const entry = newNode();
          nodes[from]!.free.push(entry);
          add(option, entry, to);
        }
        return;
      case "repeat": {
        const { item, min, max } = expression;
        let at = from;
        for (let i = 0; i < min; i++) {
          const next = newNode();
          add(item, at, next);
          at = next;
        }
        if (max === Number.POSITIVE_INFINITY) {
          const loop = newNode();
          nodes[at]!.free.push(loop);
          add(item, loop, loop);
          nodes[loop]!.free.push(to);
          return;
        }
        for (let i = min; i < max; i++) {
          nodes[at]!.free.push(to);
          const next = newNode();
          add(item, at, next);
          at = next;
        }
        nodes[at]!.free.push(to);
        return;
      }
      case "rule":
        nodes[from]!.calls.push(entryOf(expression.name), to);
        return;
      default:
        expression satisfies never;
    }
  };

  const pending: string[] = [];
  const entryOf = (name: string): number => {
    const known = entries.get(name);
    if (known !== undefined) return known;
    if (!grammar.rules.has(name)) {
      throw new QuireError("bad-option", `The grammar has no rule "${name}".`, {
        got: name,
        expected: [...grammar.rules.keys()].slice(0, 40).join(", "),
      });
    }
    const entry = newNode();
    entries.set(name, entry);
    pending.push(name);
    return entry;
  };

  const start = entryOf(grammar.start);
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const end = newNode();
    nodes[end]!.ends = true;
    add(grammar.rules.get(name)!, entries.get(name)!, end);
  }

  const names = new Map([...entries].map(([name, entry]) => [entry, name]));
  measure(nodes);
  refuseLeftRecursion(nodes, names);
  if (nodes[start]!.distance === Number.POSITIVE_INFINITY) {
    throw new QuireError("bad-option", "Nothing fits the grammar: it goes on without end.", {
      expected: "a way to finish each rule, such as an optional property in a schema that refers to itself",
    });
  }
  return { nodes, start };
}

/** Distances by relaxing until nothing changes; a rule's length counts wherever it is called. */
function measure(nodes: readonly NetworkNode[]): void {
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = nodes.length - 1; i >= 0; i--) {
      const node = nodes[i]!;
      let best = node.ends ? 0 : Number.POSITIVE_INFINITY;
      for (const next of node.free) best = Math.min(best, nodes[next]!.distance);
      for (let at = 0; at < node.bytes.length; at += 3) best = Math.min(best, 1 + nodes[node.bytes[at + 2]!]!.distance);
      for (let at = 0; at < node.calls.length; at += 2) {
        best = Math.min(best, nodes[node.calls[at]!]!.distance + nodes[node.calls[at + 1]!]!.distance);
      }
      if (best < node.distance) {
        node.distance = best;
        changed = true;
      }
    }
  }
}

/** A rule that can come back to itself without a byte would be entered for ever. */
function refuseLeftRecursion(nodes: readonly NetworkNode[], names: ReadonlyMap<number, string>): void {
  /** Rules entered from a rule's beginning before any byte. */
  const firsts = new Map<number, Set<number>>();
  for (const entry of names.keys()) {
    const seen = new Set<number>([entry]);
    const called = new Set<number>();
    for (const at of seen) {
      const node = nodes[at]!;
      for (const next of node.free) seen.add(next);
      for (let i = 0; i < node.calls.length; i += 2) {
        called.add(node.calls[i]!);
        if (nodes[node.calls[i]!]!.distance === 0) seen.add(node.calls[i + 1]!);
      }
    }
    firsts.set(entry, called);
  }
  const state = new Map<number, "open" | "done">();
  for (const root of names.keys()) {
    const path: { entry: number; rest: Iterator<number> }[] = [];
    const enter = (entry: number) => {
      if (state.get(entry) === "done") return;
      if (state.get(entry) === "open") {
        throw new QuireError("bad-option", `The grammar's rule "${names.get(entry)}" begins with itself.`, {
          got: names.get(entry),
          expected: "rules in which something stands before the rule itself (list ::= item | item list)",
        });
      }
      state.set(entry, "open");
      path.push({ entry, rest: firsts.get(entry)![Symbol.iterator]() });
    };
    enter(root);
    while (path.length > 0) {
      const { entry, rest } = path.at(-1)!;
      const next = rest.next();
      if (next.done) {
        state.set(entry, "done");
        path.pop();
      } else {
        enter(next.value);
      }
    }
  }
}
