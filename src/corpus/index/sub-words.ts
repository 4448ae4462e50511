/** The parts of names such as `maxFileBytes`, so that full-text search for "file bytes" finds them. Parts divided by other marks
 *  ("max_file_bytes", "max-file") are words to the index anyway. */

const inner = /(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/;
const hasInner = /[a-z0-9][A-Z]|[A-Z]{2}[a-z]/;

/** Each part once, in lower case; parts of one character say nothing. */
export function subWords(text: string): string[] {
  const found = new Set<string>();
  if (!hasInner.test(text)) return [];
  for (const [word] of text.matchAll(/[A-Za-z0-9]{3,80}/g)) {
    if (!hasInner.test(word)) continue;
    for (const part of word.split(inner)) if (part.length > 1) found.add(part.toLowerCase());
  }
  return [...found];
}
