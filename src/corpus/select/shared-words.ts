/** The words that a question and a passage share, for telling a person why the passage was chosen. */

const mostNamed = 4;

/** Longest first: long words say more. */
export function sharedWords(question: string, passage: string): string[] {
  const words = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? [];
  const inPassage = new Set(words(passage));
  const shared = new Set(words(question).filter((word) => inPassage.has(word)));
  return [...shared].sort((a, b) => b.length - a.length || (a < b ? -1 : 1)).slice(0, mostNamed);
}

export function inQuotes(words: readonly string[]): string {
  return words.map((word) => `"${word}"`).join(", ");
}
