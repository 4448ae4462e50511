/** The units of a source file, by the first rule that applies: its grammar, its language's line rules, indentation after blank
 *  lines, or 20 lines each. Units follow each other and cover the text; none is above the limit. */

import { nearest, QuireError } from "../../../errors.js";
import { suggestion } from "../../../method.js";
import type { Document } from "../../document.js";
import { type CodeLanguage, codeLanguage } from "../../parse/code-languages.js";
import { grammarLimit, withTree } from "../../parse/grammar.js";
import { extensionOf } from "../../parse/parse.js";
import type { IndexRange } from "../build-chunk.js";
import {
  type LineLanguage,
  lineLanguage,
  lineLanguages,
  startsByCount,
  startsByIndentation,
  startsByRule,
} from "./line-rules.js";
import { errorShare, type SyntaxContext, splitByTree, syntaxUnits } from "./syntax-units.js";
import { linePieces, type TokenMeasure } from "./token-measure.js";

export type UnitRule = "auto" | "grammar" | "lines" | "generic";

export interface UnitOptions {
  readonly rule: UnitRule;
  /** Instead of what the file's name and looks say. */
  readonly language?: string;
  readonly limit: number;
  readonly measure: TokenMeasure;
  /** Where there is a tree, parts by its nodes alone (cAST) instead of definitions. */
  readonly along?: boolean;
  note?(notice: string): void;
}

export interface Units {
  readonly language: string;
  readonly by: "grammar" | "lines" | "generic" | "count";
  readonly units: readonly IndexRange[];
  /** Whether a unit is a piece of one that was too large: no model is asked about those. */
  readonly isPiece: readonly boolean[];
}

/** Above this many characters only lines are counted. */
const ruleLimit = 20_000_000;
const mostErrors = 0.2;
const linesAtOnce = 20;

export async function codeUnits(document: Pick<Document, "text" | "uri">, options: UnitOptions): Promise<Units> {
  const { text, uri } = document;
  const extension = extensionOf(uri);
  const { grammar, lines } = languages(extension, text, options.language);
  if (options.rule === "grammar" && grammar === undefined) throw noGrammar(options.language ?? extension, uri);
  const name = grammar?.name ?? lines ?? (extension === "" ? "source" : extension);
  if (text.length > ruleLimit) {
    options.note?.(`${uri} is very large, so it is cut every ${linesAtOnce} lines.`);
    return fromStarts(name, "count", startsByCount(text, linesAtOnce), text, options);
  }
  if (grammar !== undefined && (options.rule === "auto" || options.rule === "grammar")) {
    const units = await byGrammar(text, uri, grammar, options);
    if (units !== undefined) return units;
  }
  if (lines !== undefined && options.rule !== "generic") {
    const starts = startsByRule(text, lines);
    if (starts.length > 0) return fromStarts(name, "lines", starts, text, options);
  }
  const generic = startsByIndentation(text);
  if (generic.length > 0) return fromStarts(name, "generic", generic, text, options);
  return fromStarts(name, "count", startsByCount(text, linesAtOnce), text, options);
}

function languages(
  extension: string,
  text: string,
  named: string | undefined,
): { grammar?: CodeLanguage; lines?: LineLanguage } {
  const looked = lineLanguage(extension, text);
  if (named === undefined) return looked === undefined ? { grammar: codeLanguage(extension) } : { lines: looked };
  const wanted = named.toLowerCase();
  if ((lineLanguages as readonly string[]).includes(wanted)) return { lines: wanted as LineLanguage };
  return { grammar: codeLanguage(wanted) };
}

function noGrammar(language: string, uri: string): QuireError {
  const known = [
    "ts",
    "tsx",
    "js",
    "py",
    "rs",
    "go",
    "java",
    "c",
    "cpp",
    "cs",
    "rb",
    "php",
    "sh",
    "lua",
    "kt",
    "swift",
    "scala",
  ];
  return new QuireError("bad-option", `There is no grammar for ${language === "" ? uri : language}.`, {
    got: language,
    expected: known.join(", "),
    fix: suggestion(nearest(language, known)) ?? "Use rule=auto.",
  });
}

async function byGrammar(
  text: string,
  uri: string,
  language: CodeLanguage,
  { limit, measure, along, note }: UnitOptions,
): Promise<Units | undefined> {
  if (text.length > grammarLimit) {
    note?.(`${uri} is too large for its grammar, so its lines decide.`);
    return undefined;
  }
  const context: SyntaxContext = { text, limit, measure };
  const cut = await withTree(text, language, (tree) => {
    if (errorShare(tree, text.length) > mostErrors) return undefined;
    const split = (range: IndexRange): IndexRange[] => splitByTree(tree, range, context);
    const units = along === true ? [{ start: 0, end: text.length }] : syntaxUnits(tree, language, context);
    return withoutLarge(units, context, split);
  }).catch(() => undefined);
  return cut === undefined ? undefined : { language: language.name, by: "grammar", ...cut };
}

function fromStarts(
  language: string,
  by: Units["by"],
  starts: readonly number[],
  text: string,
  context: Pick<UnitOptions, "limit" | "measure">,
): Units {
  // Text before the first start belongs to the first unit.
  const all = [0, ...starts.slice(1)];
  const units = text.length === 0 ? [] : all.map((start, i) => ({ start, end: all[i + 1] ?? text.length }));
  const split = (range: IndexRange): IndexRange[] => linePieces(text, range, context.limit, context.measure);
  return { language, by, ...withoutLarge(units, context, split) };
}

function withoutLarge(
  units: readonly IndexRange[],
  { limit, measure }: Pick<UnitOptions, "limit" | "measure">,
  split: (range: IndexRange) => IndexRange[],
): Pick<Units, "units" | "isPiece"> {
  const all: IndexRange[] = [];
  const isPiece: boolean[] = [];
  for (const unit of units) {
    const pieces = measure.tokens(unit.start, unit.end) <= limit ? [unit] : split(unit);
    all.push(...pieces);
    isPiece.push(...pieces.map((_, i) => i > 0));
  }
  return { units: all, isPiece };
}
