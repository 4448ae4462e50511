/** Whether a sentence begins at a place: after a full stop, question or exclamation mark and a blank; after a blank line; at a list
 *  item or heading on a line of its own; and right after the marks of Chinese and Japanese. Abbreviations, initials and numbers
 *  of lists end nothing. One look at a few characters, so it costs the same anywhere in a text of any length. */

const enders = new Set(".!?…‽؟।");
const wideEnders = new Set("。！？｡");
const closers = new Set("\"'”’»)]}*_`」』）");
const abbreviations = new Set(
  (
    "mr mrs ms dr prof sr jr st vs etc cf al fig figs eq eqs no nos vol pp ed eds inc ltd co corp dept est approx resp incl " +
    "e.g i.e a.m p.m u.s u.k ph.d z.b d.h u.a bzw usw ca nr hr fr bd abs art jan feb mar apr jun jul aug sep sept oct nov dec"
  ).split(" "),
);
const isBlank = (character: string): boolean => character === " " || /\s/.test(character);

export function isSentenceStart(text: string, at: number): boolean {
  const code = text.charCodeAt(at - 1);
  // Nearly every place lies within a word of Latin letters.
  if (code > 32 && code < 127 && !(text.charCodeAt(at - 2) > 0x2fff)) return false;
  const before = text[at - 1];
  const here = text[at];
  if (before === undefined || here === undefined || isBlank(here)) return false;
  if (isBlank(before)) return followsEnd(text, at);
  const endsWide = wideEnders.has(before) || (closers.has(before) && wideEnders.has(text[at - 2] ?? ""));
  return endsWide && !wideEnders.has(here) && !closers.has(here);
}

function followsEnd(text: string, at: number): boolean {
  let end = at;
  let newlines = 0;
  while (end > 0 && isBlank(text[end - 1]!)) {
    if (text[--end] === "\n") newlines++;
  }
  if (newlines >= 2) return true;
  if (newlines === 1 && /^(?:[-*+•>|]\s|#{1,6}\s|\d{1,3}[.)]\s)/.test(text.slice(at, at + 8))) return true;
  let mark = end - 1;
  while (mark > end - 4 && closers.has(text[mark] ?? "")) mark--;
  const ender = text[mark];
  if (ender === undefined) return false;
  if (wideEnders.has(ender)) return true;
  if (!enders.has(ender)) return false;
  return ender !== "." || !continuesAfterStop(text, mark, at);
}

function continuesAfterStop(text: string, stop: number, next: number): boolean {
  if (/\p{Ll}/u.test(text[next]!)) return true;
  const line = text.slice(Math.max(0, stop - 16), stop);
  const word = /[\p{L}.]+$/u.exec(line)?.[0].toLowerCase() ?? "";
  if (word.length === 1 && /\p{Lu}$/u.test(line)) return true;
  if (abbreviations.has(word)) return true;
  return /(?:^|\n)[ \t]*\d{1,3}$/.test(stop <= 16 ? line : `x${line}`);
}
