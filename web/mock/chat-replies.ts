/** What the mock model says: fixed texts that show everything an answer may hold. */

const cacheText = `A **KV cache** is memoisation for attention.

To write the next token, a model compares it with every token before it. For that it needs two vectors of each of them, a *key* and a *value*, in every layer. They never change once computed, so they are kept:

- without the cache, each new token costs as much as reading the whole text again;
- with it, a token costs one row of matrix products and one look over the stored keys.

If you write web servers, think of a session store that only grows. The bill is memory:

| what | grows with |
|---|---|
| prompt | its tokens, once |
| reply | one entry a token |
| users | all of it again |

\`\`\`ts
const entryBytes = 2 * layers * kvHeads * headWidth * bytesPerNumber;
const cacheBytes = entryBytes * tokens;
\`\`\`

A *cache policy* decides what may be thrown away when that gets too much. \`window\` keeps the first and the newest entries; \`full\` keeps all of them.`;

const splitText = `Here is one that keeps the offsets, so that every sentence can be found again in the text:

\`\`\`ts
export interface Sentence {
  readonly start: number;
  readonly end: number;
}

const end = /[.!?]+["')\\]]*\\s+(?=\\p{Lu}|\\p{N})/gu;

export function sentences(text: string): Sentence[] {
  const found: Sentence[] = [];
  let start = 0;
  for (const match of text.matchAll(end)) {
    const stop = match.index + match[0].length;
    found.push({ start, end: stop });
    start = stop;
  }
  if (start < text.length) found.push({ start, end: text.length });
  return found;
}
\`\`\`

Abbreviations such as "Dr. Smith" still break it. \`Intl.Segmenter\` with \`granularity: "sentence"\` knows more of them.`;

const compareText = `| | map-reduce | tree search |
|---|---|---|
| calls | one a chunk, then a few | only where it looks promising |
| finds | what stands in any one chunk | what stands in few chunks |
| misses | what spans chunks | what the first levels hide |
| cost grows with | the length of the document | the depth of the question |

Use **map-reduce** for questions about all of a document ("which clauses mention a deadline?") and **tree search** for a needle.`;

const plainText = `That depends on how much has to be read. A short text goes into the window as it is. A long one is cut into chunks, and only those that bear on the question are read closely.

1. Cut the documents where their sections end.
2. Choose passages by words *and* by meaning.
3. Write the answer from them, and say for each sentence where it stands.

The last step is the one that lets you check.`;

export function replyTo(question: string): string {
  if (question.startsWith("echo ")) return question.slice(5);
  if (/kv cache/i.test(question)) return cacheText;
  if (/sentence/i.test(question)) return splitText;
  if (/table|compare/i.test(question)) return compareText;
  if (/long story/i.test(question)) return Array.from({ length: 40 }, () => plainText).join("\n\n");
  return plainText;
}

/** Pieces of about the size of tokens, which joined are the text. */
export const tokensOf = (text: string): string[] => text.match(/\s*[^\s]{1,6}|\s+$/g) ?? [];
