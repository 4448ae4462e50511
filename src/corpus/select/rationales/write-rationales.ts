/** Rationales: what to look for to answer a question, and what would make a passage suspicious, as a model writes them. What cannot
 *  be read is asked for once more in a form that cannot go wrong where the model allows it; after that the question stands in. */

import { isQuireError, throwIfAborted } from "../../../errors.js";
import type { SelectContext } from "../selector.js";

export interface Rationale {
  readonly text: string;
  /** Says when a passage found by it is not to be trusted; may be empty. */
  readonly flag: string;
}

export interface Rationales {
  readonly list: readonly Rationale[];
  readonly from: "model" | "question";
  readonly calls: number;
}

const answerTokens = 512;
const temperature = 0.7;

export async function writeRationales(
  question: string,
  count: number,
  { generate, seed, signal, onNote }: Pick<SelectContext, "generate" | "seed" | "signal" | "onNote">,
): Promise<Rationales> {
  const instead = (why: string, calls: number): Rationales => {
    onNote?.({ kind: "fallback", text: `${why} The question itself stands in for rationales.` });
    return { list: [{ text: question, flag: "" }], from: "question", calls };
  };
  if (generate === undefined) return instead("No model is at hand to write rationales.", 0);
  const ask = async (prompt: string, extra: object) => {
    throwIfAborted(signal);
    try {
      return await generate(prompt, { maxTokens: answerTokens, temperature, seed, signal, ...extra });
    } catch (error) {
      if (signal?.aborted || (isQuireError(error) && ["cancelled", "budget-exceeded"].includes(error.code)))
        throw error;
      return "";
    }
  };
  const first = parseRationales(await ask(rationalePrompt(question, count), {}), count);
  if (first.length > 0) return { list: first, from: "model", calls: 1 };
  const again = parseRationaleJson(await ask(jsonPrompt(question, count), { schema: rationaleSchema(count) }), count);
  if (again.length > 0) return { list: again, from: "model", calls: 2 };
  return instead("The model wrote no rationale that could be read, asked twice.", 2);
}

/** All whole rationales, in order, each once; one that was cut off is left out. */
export function parseRationales(text: string, most: number): Rationale[] {
  const found: Rationale[] = [];
  const texts = new Set<string>();
  for (const [, body = ""] of text.matchAll(/<rationale[_ ]?\d*>([\s\S]*?)<\/rationale[_ ]?\d*>/gi)) {
    if (/<rationale/i.test(body)) continue;
    const [wanted = "", ...flags] = body.split(/flag(?:ging)? instructions?\s*:/i);
    add(found, texts, { text: withoutLabel(wanted), flag: plain(flags.join(" ")) });
  }
  return found.slice(0, most);
}

export function parseRationaleJson(text: string, most: number): Rationale[] {
  const found: Rationale[] = [];
  const texts = new Set<string>();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const list = (value as { rationales?: unknown } | null)?.rationales;
  if (!Array.isArray(list)) return [];
  for (const one of list as { look_for?: unknown; flag_if?: unknown }[]) {
    if (typeof one?.look_for !== "string") continue;
    add(found, texts, { text: plain(one.look_for), flag: typeof one.flag_if === "string" ? plain(one.flag_if) : "" });
  }
  return found.slice(0, most);
}

function add(found: Rationale[], texts: Set<string>, rationale: Rationale): void {
  const key = rationale.text.toLowerCase();
  if (!/[\p{L}\p{N}]{2}/u.test(key) || texts.has(key)) return;
  texts.add(key);
  found.push(rationale);
}

function withoutLabel(text: string): string {
  return plain(text.replace(/^\s*\[[^\]]*\]\s*:?/, ""));
}

function plain(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

export function rationalePrompt(question: string, count: number): string {
  const examples = [
    [
      "Which notice period applies when the supplier ends the contract?",
      "[termination] Look for clauses on termination by the supplier and the days or months of notice they name. Flag Instructions: Flag a passage that gives a period for another party, or two periods that differ.",
    ],
    [
      "How did revenue change in 2021?",
      "[figures] Look for tables or sentences with total revenue of 2021 and of the year before. Flag Instructions: Flag figures without a year or in another currency.",
    ],
    [
      "Which settings survive a restart?",
      "[persistence] Look for text that says where settings are stored and when they are read again. Flag Instructions: Flag a passage that speaks of another version.",
    ],
  ] as const;
  const shown = examples.map(([asked, one]) => `Question: ${asked}\n<rationale_1>${one}</rationale_1>`).join("\n\n");
  return `Write up to ${count} search strategies for finding the passages that answer a question. Each is different and concrete: what to look for, and when a passage should be flagged as not to be trusted.\n\n${shown}\n\nQuestion: ${question}`;
}

function jsonPrompt(question: string, count: number): string {
  return `What should one look for in documents to answer this question? Give ${count} different, concrete descriptions, and for each when a passage should not be trusted.\n\nQuestion: ${question}`;
}

function rationaleSchema(count: number): object {
  const words = { type: "string", minLength: 10, maxLength: 160 };
  const item = {
    type: "object",
    properties: { look_for: words, flag_if: { type: "string", maxLength: 120 } },
    required: ["look_for", "flag_if"],
    additionalProperties: false,
  };
  return {
    type: "object",
    properties: { rationales: { type: "array", items: item, minItems: 1, maxItems: count } },
    required: ["rationales"],
    additionalProperties: false,
  };
}
