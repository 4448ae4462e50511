/** Units of source code by its syntax tree: each definition with the comments above it, and what stands between definitions. And
 *  the split of anything too large along the tree (cAST, arXiv 2506.15655). */

import type { Node, Tree } from "web-tree-sitter";
import { bodyOf, isDefinition } from "../../parse/code.js";
import type { CodeLanguage } from "../../parse/code-languages.js";
import type { IndexRange } from "../build-chunk.js";
import { linePieces, pack, type TokenMeasure } from "./token-measure.js";

export interface SyntaxContext {
  readonly text: string;
  readonly limit: number;
  readonly measure: TokenMeasure;
}

/** A tree nested deeper than this is cut at lines below. */
const mostDepth = 100;
const wrapper = /^(decorated_definition|export_statement|template_declaration|ambient_declaration)$/;
/** What stands above a definition and belongs to it. */
const above = /(?:comment|^decorator|^attribute_item)$/;

/** Share of the text that the grammar could not read. */
export function errorShare({ rootNode }: Tree, length: number): number {
  if (!rootNode.hasError || length === 0) return 0;
  let wrong = 0;
  const cursor = rootNode.walk();
  for (let goesOn = true; goesOn; ) {
    const isWrong = cursor.nodeType === "ERROR";
    if (isWrong) wrong += cursor.endIndex - cursor.startIndex;
    goesOn = !isWrong && cursor.gotoFirstChild();
    while (!goesOn) {
      if (cursor.gotoNextSibling()) goesOn = true;
      else if (!cursor.gotoParent()) break;
    }
  }
  cursor.delete();
  return wrong / length;
}

export function syntaxUnits({ rootNode }: Tree, language: CodeLanguage, context: SyntaxContext): IndexRange[] {
  const starts = [0, ...unitStarts(childrenOf(rootNode), 0, language, context, 0)];
  const { length } = context.text;
  const distinct = [...new Set(starts)].filter((start) => start < length).sort((a, b) => a - b);
  return distinct.map((start, i) => ({ start, end: distinct[i + 1] ?? length }));
}

/** `from`: where the first of the nodes may begin, comments above it included. */
function unitStarts(
  nodes: readonly Node[],
  from: number,
  language: CodeLanguage,
  context: SyntaxContext,
  depth: number,
): number[] {
  const { text } = context;
  const starts: number[] = [];
  /** End of what came last and is no comment, with a comment behind it on its line. */
  let ended = from;
  let row = -1;
  let inRun = false;
  for (const node of nodes) {
    if (above.test(node.type)) {
      if (node.startPosition.row === row) ended = Math.max(ended, node.endIndex);
      continue;
    }
    const definition = definitionIn(node, language);
    const start = Math.min(node.startIndex, ended === from ? from : lineAfter(text, ended));
    if (definition !== undefined || !inRun) starts.push(Math.max(start, ended));
    inRun = definition === undefined;
    if (definition !== undefined) starts.push(...membersOf(definition, node, language, context, depth));
    ended = node.endIndex;
    row = node.endPosition.row;
  }
  return starts;
}

/** A definition above the limit is opened: its members are units, and its head is one. */
function membersOf(
  definition: Node,
  whole: Node,
  language: CodeLanguage,
  context: SyntaxContext,
  depth: number,
): number[] {
  const { measure, limit, text } = context;
  if (depth >= mostDepth || measure.tokens(whole.startIndex, whole.endIndex) <= limit) return [];
  const body = bodyOf(definition);
  if (body === null) return [];
  const members = childrenOf(body).filter(({ isNamed }) => isNamed);
  if (!members.some((member) => definitionIn(member, language) !== undefined)) return [];
  const opened = lineStart(text, lineAfter(text, body.startIndex));
  const first = members.find((member) => member.startIndex >= opened)?.startIndex ?? body.endIndex;
  return unitStarts(members, Math.min(opened, first), language, context, depth + 1);
}

function definitionIn(node: Node, language: CodeLanguage): Node | undefined {
  if (wrapper.test(node.type)) {
    for (const child of childrenOf(node)) {
      const found = definitionIn(child, language);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return language.definitions.has(node.type) && isDefinition(node, bodyOf(node)) ? node : undefined;
}

function childrenOf(node: Node): Node[] {
  return node.children.filter((child) => child !== null);
}

/** The first place behind the line that holds `at`, or `at` where more than blanks follow on the line. */
function lineAfter(text: string, at: number): number {
  for (let i = at; i < text.length; i++) {
    if (text[i] === "\n") return i + 1;
    if (!/[\s;,{:]/.test(text[i]!)) return at;
  }
  return text.length;
}

/** The beginning of the line, where only blanks stand before `at`. */
function lineStart(text: string, at: number): number {
  let start = at;
  while (start > 0 && (text[start - 1] === " " || text[start - 1] === "\t")) start--;
  return start === 0 || text[start - 1] === "\n" ? start : at;
}

/** Siblings are gathered while they fit; one that does not fit alone is replaced by its children; leaves are cut at lines. Gaps go
 *  with what comes after them. */
export function splitByTree({ rootNode }: Tree, range: IndexRange, context: SyntaxContext): IndexRange[] {
  return pack(splitNode(rootNode, range, context, 0), context.limit, context.measure);
}

function splitNode(node: Node, range: IndexRange, context: SyntaxContext, depth: number): IndexRange[] {
  const { text, limit, measure } = context;
  if (measure.tokens(range.start, range.end) <= limit) return [range];
  const children = childrenOf(node).filter(
    ({ startIndex, endIndex }) => endIndex > range.start && startIndex < range.end,
  );
  if (children.length === 0 || depth >= mostDepth) return linePieces(text, range, limit, measure);
  const pieces: IndexRange[] = [];
  let start = range.start;
  let held: number | undefined;
  for (const [i, child] of children.entries()) {
    const end = i === children.length - 1 ? range.end : Math.min(range.end, Math.max(start, child.endIndex));
    if (end === start) continue;
    if (held !== undefined && measure.tokens(held, end) > limit) {
      pieces.push({ start: held, end: start });
      held = undefined;
    }
    if (held === undefined && measure.tokens(start, end) > limit) {
      pieces.push(...splitNode(child, { start, end }, context, depth + 1));
    } else held ??= start;
    start = end;
  }
  if (held !== undefined) pieces.push({ start: held, end: range.end });
  return pieces;
}
