import type { LanguageModel } from "./language-model.js";
import { stems } from "./words.js";

/** Asks a model for the title of a topic, and takes it only if it is one: short, and about what the passages are about. Small models
 *  often answer with something else; then the topic keeps its own words. */

export interface TopicPassages {
  readonly terms: readonly string[];
  readonly excerpts: readonly string[];
  readonly taken: readonly string[];
}

const mostTokens = 24;
const mostWords = 6;
const longest = 48;
/** Share of a title's words that must stand in the passages. */
const grounded = 0.6;

export async function nameTopic(
  model: LanguageModel,
  topic: TopicPassages,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const { terms, excerpts, taken } = topic;
  const passages = excerpts.map((excerpt) => `- ${excerpt.slice(0, 300)}`).join("\n");
  const other = taken.length === 0 ? "" : `\nOther topics are called: ${taken.slice(0, 8).join("; ")}.`;
  const content = `These passages belong together:\n${passages}\n\nWords that set them apart: ${terms.join(", ")}.${other}\n\nWrite a title of two to four words that says what they are about. Answer with the title only.`;
  const { text } = await model.generate({
    messages: [{ role: "user", content }],
    maxTokens: mostTokens,
    temperature: 0,
    signal,
  });
  return usableTitle(text, topic);
}

export function usableTitle(answer: string, { terms, excerpts, taken }: TopicPassages): string | undefined {
  const line = answer
    .trim()
    .split("\n")[0]!
    .replace(/^(?:title|topic|answer)\s*:\s*/i, "")
    .replace(/^[\s"'“”‘’*#-]+|[\s"'“”‘’*.:;,-]+$/g, "");
  const words = line.split(/\s+/).filter((word) => word !== "");
  if (words.length === 0 || words.length > mostWords || line.length > longest) return undefined;
  const title = line.charAt(0).toUpperCase() + line.slice(1);
  if (taken.some((name) => name.toLowerCase() === title.toLowerCase())) return undefined;
  const said = [...stems(title)];
  const there = stems([...terms, ...excerpts].join(" "));
  const known = said.filter((stem) => there.has(stem)).length;
  return said.length > 0 && known / said.length >= grounded ? title : undefined;
}
