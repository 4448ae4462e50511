/** Plain text, reStructuredText and AsciiDoc: the text is the file's own. Titles that are underlined or marked by "=" become
 *  sections, and so do the turns of a transcript ("NAME: words"). */

import { textPositions } from "../lines.js";
import type { ParsedText } from "./parsed.js";
import { type Head, sectionsFromHeads, tidyTitle } from "./sections.js";

export function parsePlainText(text: string, extension: string): ParsedText {
  const heads = extension === "adoc" || extension === "asciidoc" ? markedTitles(text) : underlinedTitles(text);
  const turns = heads.length === 0 && extension !== "log" ? speakerTurns(text) : [];
  return { text, sections: sectionsFromHeads(heads.length > 0 ? heads : turns, textPositions(text)) };
}

interface Line {
  readonly at: number;
  readonly text: string;
}

/** Lines without their ends; of a very long line only the beginning, which is all that a title can have. */
function* lines(text: string): Generator<Line> {
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    yield { at, text: text.slice(at, Math.min(end, at + 400)).trimEnd() };
    at = end + 1;
  }
}

const longestTitle = 120;

/** The level of an underline character is the order of its first use, as in reStructuredText. */
function underlinedTitles(text: string): Head[] {
  const heads: Head[] = [];
  const levels: string[] = [];
  let beforeThat: Line | undefined;
  let before: Line | undefined;
  for (const line of lines(text)) {
    const rule = /^([=\-~^"'*+#])\1{2,}$/.exec(line.text);
    const isTitle =
      rule !== null &&
      before !== undefined &&
      /^\S.*[\p{L}\p{N}]/u.test(before.text) &&
      before.text.length <= longestTitle &&
      Math.abs(line.text.length - before.text.length) <= Math.max(2, before.text.length * 0.2) &&
      (beforeThat === undefined || beforeThat.text === "" || beforeThat.text === line.text);
    if (isTitle) {
      const overlined = beforeThat !== undefined && beforeThat.text === line.text;
      const style = (overlined ? "over " : "") + rule[1];
      if (!levels.includes(style)) levels.push(style);
      const at = overlined ? beforeThat!.at : before!.at;
      heads.push({ title: tidyTitle(before!.text), level: levels.indexOf(style) + 1, at, kind: "heading" });
    }
    beforeThat = before;
    before = line;
  }
  return heads;
}

function markedTitles(text: string): Head[] {
  const heads: Head[] = [];
  for (const line of lines(text)) {
    const title = /^(={1,6})[ \t]+(\S.*)$/.exec(line.text);
    if (title !== null)
      heads.push({ title: tidyTitle(title[2]!), level: title[1]!.length, at: line.at, kind: "heading" });
  }
  return heads;
}

/** Only where a third of all lines with text are turns, and at least two speak twice: "note: ..." alone is no transcript. */
function speakerTurns(text: string): Head[] {
  const heads: Head[] = [];
  const turnsOf = new Map<string, number>();
  let filled = 0;
  for (const line of lines(text)) {
    if (line.text !== "") filled++;
    const speaker = /^(?:\[?\d{1,2}:\d{2}(?::\d{2})?\]?[ \t]+)?([\p{Lu}][\p{L}\p{N} .'-]{0,30}):[ \t]+\S/u.exec(
      line.text,
    )?.[1];
    if (speaker === undefined) continue;
    turnsOf.set(speaker, (turnsOf.get(speaker) ?? 0) + 1);
    heads.push({ title: speaker, level: 1, at: line.at, kind: "speaker" });
  }
  const regulars = [...turnsOf.values()].filter((turns) => turns >= 2).length;
  return heads.length * 3 >= filled && regulars >= 2 ? heads : [];
}
