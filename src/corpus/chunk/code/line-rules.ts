/** Where units of source code begin, told from lines: for languages without a grammar here. Comments and blank lines directly above
 *  a beginning belong to it. */

export type LineLanguage = "mumps" | "hlasm" | "cobol" | "sql" | "shell";

export const lineLanguages: readonly LineLanguage[] = ["mumps", "hlasm", "cobol", "sql", "shell"];

interface LineRule {
  begins(line: string, before: string): boolean;
  /** A line that belongs to what comes below it. */
  isComment(line: string): boolean;
}

const never = (): boolean => false;
const hlasmSection = /^\S*[ \t]+(?:START|CSECT|RSECT|DSECT|COM|MACRO)(?:\s|$)/i;
const hlasmLabel = /^[A-Z@#$_][\w@#$]*[ \t]+(?:DS[ \t]+0H|EQU[ \t]+\*(?:[\s,]|$))/i;

const rules: Readonly<Record<LineLanguage, LineRule>> = {
  // A label stands in the first column; code, dotted or not, is indented.
  mumps: { begins: (line) => /^[A-Za-z%\d]/.test(line), isComment: never },
  hlasm: {
    begins: (line, before) =>
      !continues(before) && !line.startsWith("*") && (hlasmSection.test(line) || hlasmLabel.test(line)),
    isComment: (line) => line.startsWith("*") || line.startsWith(".*"),
  },
  cobol: {
    begins: (line) => cobolName(line) !== undefined,
    isComment: (line) => /^.{6}[*/]/.test(line) || /^\s*\*>/.test(line),
  },
  sql: { begins: (line) => /^[ \t]*(?:CREATE|ALTER)[ \t]/i.test(line), isComment: (line) => /^[ \t]*--/.test(line) },
  shell: {
    begins: (line) => /^(?:function[ \t]+[\w:.-]+|[\w:.-]+[ \t]*\([ \t]*\))/.test(line),
    isComment: (line) => line.startsWith("#"),
  },
};

/** Column 72 of the line before is not blank. */
function continues(before: string): boolean {
  return before.length >= 72 && !/\s/.test(before[71]!);
}

/** A division, section or paragraph in area A, columns 8 to 11; or in the first column of free text. */
function cobolName(line: string): string | undefined {
  const fixed = /^(?:[\d ]{6})([ ])( {0,3})(?=\S)/.exec(line);
  const code = (fixed === null ? line : line.slice(fixed[0].length)).slice(0, 65);
  if (fixed === null && !/^[A-Za-z\d]/.test(line)) return undefined;
  return /^([A-Z\d][A-Z\d-]*)(?:[ \t]+(?:DIVISION|SECTION)(?:[ \t][^.]*)?)?\.[ \t\r\n]*$/i.exec(code)?.[1];
}

/** By the extension, and where that says nothing, by what the text looks like. */
export function lineLanguage(extension: string, text: string): LineLanguage | undefined {
  const start = text.slice(0, 20_000);
  if (/^(?:mumps|mps|rou|ro|zwr)$/.test(extension)) return "mumps";
  if (/^(?:m|int)$/.test(extension) && /^%?[A-Z][A-Z\d]*(?:\([^)\n]*\))?[ \t]+;/.test(start)) return "mumps";
  if (/^(?:hlasm|mlc|alc|bal)$/.test(extension)) return "hlasm";
  if (/^(?:asm|s|mac)$/.test(extension) && /^\S*[ \t]+(?:CSECT|DSECT|RSECT|USING)(?:\s|$)/m.test(start)) return "hlasm";
  if (/^(?:cbl|cob|cpy|cobol)$/.test(extension)) return "cobol";
  if (extension === "sql") return "sql";
  if (/^(?:ksh|zsh|fish)$/.test(extension)) return "shell";
  return undefined;
}

export interface Line {
  readonly start: number;
  readonly end: number;
}

export function* linesOf(text: string): Generator<Line> {
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline + 1;
    yield { start, end };
    start = end;
  }
}

/** Longer lines are looked at no further. */
const lookedAt = 400;

export function startsByRule(text: string, language: LineLanguage): number[] {
  const { begins, isComment } = rules[language];
  const starts: number[] = [];
  let before = "";
  let above: number | undefined;
  for (const { start, end } of linesOf(text)) {
    const line = text.slice(start, Math.min(end, start + lookedAt));
    if (begins(line, before)) {
      starts.push(above ?? start);
      above = undefined;
    } else if (line.trim() === "" || isComment(line)) above ??= start;
    else above = undefined;
    before = line.replace(/\r?\n$/, "");
  }
  return starts;
}

/** Lines of the smallest indentation in the text that follow a blank line, and those after a form feed. */
export function startsByIndentation(text: string): number[] {
  let least = Number.POSITIVE_INFINITY;
  for (const { start, end } of linesOf(text)) least = Math.min(least, indentation(text, start, end));
  const starts: number[] = [];
  let afterBlank = false;
  for (const { start, end } of linesOf(text)) {
    const indent = indentation(text, start, end);
    const fed = text[start] === "\f";
    if (start > 0 && (fed || (afterBlank && indent === least))) starts.push(start);
    afterBlank = indent === Number.POSITIVE_INFINITY && !fed;
  }
  return starts;
}

/** Infinite for a blank line. */
function indentation(text: string, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    const character = text[at]!;
    if (character !== " " && character !== "\t") return character.trim() === "" ? Number.POSITIVE_INFINITY : at - start;
  }
  return Number.POSITIVE_INFINITY;
}

export function startsByCount(text: string, lines: number): number[] {
  const starts: number[] = [];
  let count = 0;
  for (const { start } of linesOf(text)) if (count++ % lines === 0) starts.push(start);
  return starts;
}
