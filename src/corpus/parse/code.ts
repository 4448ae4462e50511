/** Source code: the text is the file's own. Definitions become sections, titled by their signatures: found by the language's
 *  tree-sitter grammar, or by the first words of lines where there is no grammar or the file is very large. */

import type { Node, Tree } from "web-tree-sitter";
import type { Section } from "../document.js";
import { textPositions } from "../lines.js";
import { type CodeLanguage, codeLanguage } from "./code-languages.js";
import { grammarLimit, withTree } from "./grammar.js";
import type { ParsedText } from "./parsed.js";
import { type Head, sectionsFromHeads, tidyTitle } from "./sections.js";

export async function parseCode(text: string, extension: string): Promise<ParsedText> {
  const language = codeLanguage(extension);
  if (language !== undefined && text.length <= grammarLimit) {
    const sections = await definitionsByGrammar(text, language).catch(() => undefined);
    if (sections !== undefined) return { text, sections, meta: { language: language.name } };
  }
  return {
    text,
    sections: sectionsFromHeads(definitionsByLine(text), textPositions(text)),
    meta: { language: language?.name ?? extension, definitionsBy: "lines" },
  };
}

async function definitionsByGrammar(text: string, language: CodeLanguage): Promise<Section[]> {
  return withTree(text, language, (tree) => collectDefinitions(tree, text, language));
}

function collectDefinitions(tree: Tree, text: string, language: CodeLanguage): Section[] {
  const positions = textPositions(text);
  const sections: Section[] = [];
  /** Ends of the definitions that the cursor is in. */
  const open: number[] = [];
  const cursor = tree.walk();
  for (let goesOn = true; goesOn; ) {
    while (open.length > 0 && cursor.startIndex >= open.at(-1)!) open.pop();
    let descend = true;
    if (cursor.nodeIsNamed && language.definitions.has(cursor.nodeType)) {
      const node = cursor.currentNode;
      const body = bodyOf(node);
      if (isDefinition(node, body)) {
        const start = beginningOfLine(text, startWithDecorators(node));
        const title = tidyTitle(
          text.slice(node.startIndex, Math.min(signatureEnd(text, node, body), node.startIndex + 2000)),
        );
        sections.push({
          title,
          level: open.length + 1,
          kind: "definition",
          startByte: positions.byteOfIndex(start),
          endByte: positions.byteOfIndex(node.endIndex),
        });
        open.push(node.endIndex);
      }
    } else if (open.length > 0) {
      // Inside a function, only what holds definitions is worth walking; expressions rarely do.
      descend = !cursor.nodeType.endsWith("_expression") && !cursor.nodeType.endsWith("string");
    }
    goesOn = descend && cursor.gotoFirstChild();
    while (!goesOn) {
      if (cursor.gotoNextSibling()) goesOn = true;
      else if (!cursor.gotoParent()) break;
    }
  }
  cursor.delete();
  return sections;
}

export function bodyOf(node: Node): Node | null {
  const own = node.childForFieldName("body");
  if (own !== null) return own;
  const last = node.lastNamedChild;
  return last !== null && /(body|block|_list)$/.test(last.type) ? last : null;
}

/** `const f = () => ...` defines; `const n = 1` and `struct s *p` do not. */
export function isDefinition(node: Node, body: Node | null): boolean {
  if (node.type === "lexical_declaration") {
    const value = node.namedChild(0)?.childForFieldName("value")?.type;
    const outermost = node.parent?.type === "program" || node.parent?.type === "export_statement";
    return outermost && (value === "arrow_function" || value === "function_expression" || value === "function");
  }
  return body !== null || !/_specifier$/.test(node.type);
}

function signatureEnd(text: string, node: Node, body: Node | null): number {
  if (node.type === "lexical_declaration") {
    const arrow = text.indexOf("=>", node.startIndex);
    if (arrow >= 0 && arrow < node.endIndex) return arrow;
  }
  if (body !== null && body.startIndex > node.startIndex) {
    return node.startIndex + text.slice(node.startIndex, body.startIndex).replace(/[\s:{=]+$/, "").length;
  }
  const firstLine = /^[^\n]*/.exec(text.slice(node.startIndex, node.endIndex))?.[0] ?? "";
  return node.startIndex + firstLine.replace(/[\s:{=]+$/, "").length;
}

function startWithDecorators(node: Node): number {
  const parent = node.parent;
  const wraps = parent !== null && /^(decorated_definition|export_statement|template_declaration)$/.test(parent.type);
  return wraps ? parent.startIndex : node.startIndex;
}

/** The indentation belongs to the definition, so that a cut before it leaves whole lines. */
function beginningOfLine(text: string, at: number): number {
  let start = at;
  while (start > 0 && (text[start - 1] === " " || text[start - 1] === "\t")) start--;
  return start === 0 || text[start - 1] === "\n" ? start : at;
}

const definitionLine =
  /^(?<indent>[ \t]{0,8})(?:(?:export|public|private|protected|internal|static|final|abstract|async|inline|pub|local|override|open|sealed|default|create(?: or replace)?)\s+)*(?:function|func|fun|fn|def|defp|defmodule|defn|defun|sub|proc|class|struct|enum|interface|trait|impl|module|package|namespace|object|protocol|record|type|procedure|subroutine|table|view|message|service)\s+[\w.$:'"`<]/i;

function definitionsByLine(text: string): Head[] {
  const heads: Head[] = [];
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline + 1;
    const line = text.slice(at, Math.min(end, at + 300));
    const indent = definitionLine.exec(line)?.groups?.["indent"];
    if (indent !== undefined) {
      const title = tidyTitle(line.replace(/[\s{:=]+$/, ""));
      heads.push({ title, level: 1 + indent.replace(/\t/g, "    ").length, at, kind: "definition" });
    }
    at = end;
  }
  return heads;
}
