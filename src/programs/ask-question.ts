import { contentWords } from "./words.js";

/** What can be read off a question without understanding it: the names it asks about, what it wants to know of them, and what kind
 *  of thing would answer it. The rules for the kind of answer are English; other languages simply get none. */

export interface ParsedQuestion {
  readonly text: string;
  /** Stems of names, identifiers and quoted words: a passage that lacks them speaks of something else. */
  readonly names: ReadonlySet<string>;
  /** Stems of all other content words. */
  readonly matter: ReadonlySet<string>;
  readonly words: ReadonlySet<string>;
  readonly wants: "number" | "measure" | "year" | "name" | undefined;
  /** Asks for an explanation or an overview, which no single sentence gives. */
  readonly open: boolean;
}

export function parseQuestion(text: string): ParsedQuestion {
  const words = contentWords(text);
  const quoted = [...text.matchAll(/["“`«]([^"”`»]+)["”`»]/g)].map((match) => ({
    start: match.index,
    end: match.index + match[0].length,
  }));
  const firstEnd = /\S+/.exec(text)?.[0].length ?? 0;
  const isName = ({ start, end, shown }: { start: number; end: number; shown: string }): boolean => {
    if (quoted.some((span) => start >= span.start && end <= span.end)) return true;
    if (/\p{N}/u.test(shown) || /[_/]/.test(text.charAt(start - 1) + text.charAt(end))) return true;
    return /^\p{Lu}/u.test(shown) && (start >= firstEnd || /^.+\p{Lu}/u.test(shown));
  };
  const names = new Set(words.filter(isName).map(({ stem }) => stem));
  const matter = new Set(words.map(({ stem }) => stem).filter((stem) => !names.has(stem)));
  return { text, names, matter, words: new Set([...names, ...matter]), wants: wanted(text), open: isOpen(text) };
}

function wanted(text: string): ParsedQuestion["wants"] {
  const lower = text.toLowerCase();
  if (/\bhow (many|much|old|often)\b/.test(lower)) return "number";
  if (/\bhow (tall|high|far|large|big|heavy|wide|deep|fast|long)\b/.test(lower)) return "measure";
  if (/\b((which|what) year|when (did|was|were))\b/.test(lower)) return "year";
  if (/\b(which|what) (port|number)\b/.test(lower)) return "number";
  return /^(who|whose|whom)\b/.test(lower) ? "name" : undefined;
}

function isOpen(text: string): boolean {
  return /^(how (do|does|can|should|to|is|are)\b(?! .*\b(many|much)\b)|why|explain|describe|summari[sz]e|compare|list|what (is|are) (this|these|the difference)|give an overview)/i.test(
    text.trim(),
  );
}

const numberWord = /\p{N}|^(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)$/iu;

/** Whether a text could hold an answer of the wanted kind that the question does not already contain. */
export function couldAnswer(question: ParsedQuestion, text: string): boolean {
  const fresh = contentWords(text).filter(({ stem }) => !question.words.has(stem));
  if (question.wants === "year") return fresh.some(({ shown }) => /^\d{3,4}$/.test(shown));
  if (question.wants === "measure") {
    return fresh.some(
      ({ shown, end }) => /\p{N}/u.test(shown) || (numberWord.test(shown) && /^\s+\p{L}/u.test(text.slice(end))),
    );
  }
  if (question.wants === "number") return fresh.some(({ shown }) => numberWord.test(shown));
  if (question.wants === "name") return fresh.some(({ shown }) => /^\p{Lu}/u.test(shown));
  return fresh.length > 0;
}

/** The text with the names replaced, so that likeness is judged by what is said and not by whom it is said of. */
export function withoutNames(text: string, names: ReadonlySet<string>): string {
  let out = "";
  let at = 0;
  for (const { stem, start, end } of contentWords(text)) {
    if (!names.has(stem)) continue;
    // Words of one name that follow each other become one X.
    const between = text.slice(at, start);
    if (!(out.endsWith("X") && between.trim() === "")) out += `${between}X`;
    at = end;
  }
  return out + text.slice(at);
}
