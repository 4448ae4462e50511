/** Where a step ends: with an empty line after a finished sentence. Tested on text, because vocabularies cut empty lines differently. */

const sentenceEnds = /[.?!…。？！｡؟۔।॥]$/u;

/** `text`: the step so far; `piece`: its end, which came last. */
export function endsStep(text: string, piece: string): boolean {
  const at = text.lastIndexOf("\n\n");
  // The empty line has to be new, though it may have begun in the token before.
  if (at < 0 || at + 2 <= text.length - piece.length) return false;
  return sentenceEnds.test(text.slice(0, at).trim());
}
