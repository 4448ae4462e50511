import type { ChatMessage } from "./language-model.js";
import type { Passage } from "./support.js";

/** The prompts of `ask`: short, passages first and numbered, the question last, so that a very small model follows them too. */

export const refusal = "The documents do not say.";

export function passagesPrompt(question: string, passages: readonly Passage[]): ChatMessage[] {
  const evidence = passages.map(({ evidence: { chunk } }, i) => {
    const header = chunk.header === "" ? "" : ` (${chunk.header.replace(/\s+/g, " ").trim()})`;
    return `[${i + 1}] ${chunk.uri}${header}\n${chunk.text.trim()}`;
  });
  return [
    {
      role: "system",
      content: `You answer questions from the numbered passages only, and cite them like [1]. If they do not hold the answer, you say: ${refusal}`,
    },
    {
      role: "user",
      content: `${evidence.join("\n\n")}\n\nQuestion: ${question}\nAnswer from the passages above, with citations like [1]. If they do not say, answer: ${refusal}`,
    },
  ];
}

/** For very small models: one or two sentences, and the shortest answer they give. */
export function sentencePrompt(question: string, text: string): ChatMessage[] {
  return [
    {
      role: "user",
      content: `Text: ${text}\n\nUsing only the text, answer in as few words as possible.\nQuestion: ${question}`,
    },
  ];
}

const refusals = [
  /\b(documents?|passages?|texts?|context|sources?|information|excerpts?)\b[^.]{0,40}\b(do(es)?|did|is|are)( not|n[’']t) (say|state|mention|contain|provide|specif|include|give|hold|have|available|answer)/i,
  /\b(not|nowhere|isn[’']t|aren[’']t) (\w+ )?(mentioned|stated|specified|provided|given|found|said|included)\b/i,
  /\bno (information|mention|answer|passage|document)\b/i,
  /\b(i|we) (do not|don[’']t|cannot|can[’']t) (know|answer|find|tell|determine)/i,
];

/** The model's own words for "not stated", at the beginning of what it says. */
export function refuses(answer: string): boolean {
  const beginning = answer.slice(0, 200);
  return refusals.some((pattern) => pattern.test(beginning));
}
