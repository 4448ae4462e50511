import type { FunctionName } from "../../train/recursion/recursive-function.js";
import type { RecursionMode } from "./recursion-case.js";

/** From a reply to symbols: quotes, words around them, fused symbols and full stops are passed over. Undefined where none can be read. */

/** The line that answers: the last, but none from where the model makes up further questions. */
export function readAnswer(
  reply: string,
  name: FunctionName,
  input: readonly string[],
  mode: RecursionMode,
): string[] | undefined {
  const lines = nonEmpty(reply);
  // Trees have values that are nothing; numbers have none.
  if (lines.length === 0) return name === "succ" ? undefined : [];
  const isOwn = (line: string): boolean => {
    const [asked, ...said] = line.split("->");
    return said.length > 0 && symbolsIn(asked as string, name, input)?.join(" ") === input.join(" ");
  };
  const invented = lines.findIndex((line, place) => place > 0 && line.includes("->") && !isOwn(line));
  const own = invented < 0 ? lines : lines.slice(0, invented);
  for (const line of own.reverse()) {
    const symbols = symbolsIn(line, name, input);
    if (symbols === undefined) continue;
    return name !== "succ" && mode === "answer" ? withoutFullStop(symbols) : symbols;
  }
  return;
}

/** One state a line, each undefined where it cannot be read. The given state is passed over where it is repeated first. */
export function readStates(reply: string, name: FunctionName, input: readonly string[]): (string[] | undefined)[] {
  const [first = "", ...rest] = reply.trim().split(/\n\s*\n/);
  // Some leave an empty line between states; others go on with questions of their own, which begin without "=".
  const paragraphs = [first, ...rest.filter((part) => /^\s*(=|->|\d+[.)])/.test(part))];
  const lines = paragraphs.flatMap(nonEmpty);
  const states = lines.map((line) => symbolsIn(line, name, input));
  return states[0]?.join(" ") === input.join(" ") ? states.slice(1) : states;
}

function nonEmpty(text: string): string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}

/** The longest run of symbols in a line, after its last arrow, equals sign or colon; of equal ones the last. */
export function symbolsIn(line: string, name: FunctionName, input: readonly string[]): string[] | undefined {
  const told = line.split(/->|→|=>|[:=]/).at(-1) ?? "";
  const words = told
    .replace(/["'`*,;!?]/g, " ")
    .split(/\s+/)
    .filter((word) => word !== "");
  let best: string[] = [];
  let run: string[] = [];
  for (const word of words) {
    const symbols = name === "succ" ? numberSymbols(word) : treeSymbols(word, input);
    run = symbols === undefined ? [] : [...run, ...symbols];
    if (run.length >= best.length && run.length > 0) best = run;
  }
  return best.length === 0 ? undefined : best;
}

function numberSymbols(word: string): string[] | undefined {
  const bare = word.replace(/\.+$/, "");
  return /^(X0|X1|01|s)+$/.test(bare) ? (bare.match(/X0|X1|01|s/g) ?? undefined) : undefined;
}

/** A single letter is a label; several are labels without spaces where the input has them all. */
function treeSymbols(word: string, input: readonly string[]): string[] | undefined {
  if (!/^[a-z().[\]]+$/.test(word)) return;
  const letters = word.replace(/[^a-z]/g, "");
  return letters.length <= 1 || [...letters].every((letter) => input.includes(letter)) ? [...word] : undefined;
}

/** Values of traversals hold no dots, so a dot at the end ends a sentence. */
function withoutFullStop(symbols: readonly string[]): string[] {
  return symbols.at(-1) === "." ? symbols.slice(0, -1) : [...symbols];
}
