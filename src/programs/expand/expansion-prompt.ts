import type { ChatMessage } from "../language-model.js";
import type { Environment } from "./environment.js";

/** What a model is shown to expand one unknown call: rules, actions, examples, the statement, and the values of its variables. */

export interface Expansion {
  readonly thought: string;
  readonly code: string;
}

const mostCharacters = 2000;

const rules = `You write JavaScript that carries out ONE statement of a larger plan. The function it calls does not exist yet: replace the statement by code that does its work.
- If one or two actions are enough, write them.
- Otherwise split the work into a few calls in order, as: const [a, b] = descriptive_name(x, {key: "literal"}); each of them will be written later in the same way, and sees only the variables that it is given.
- Invent nothing that is not in the variables. What has still to be decided is a call of its own.
- Assign every variable that the statement would have assigned.
- Define no functions or classes. Put no call of an unknown function inside a loop or condition.
- Answer with <think>why</think><execute>code</execute>.`;

export function expansionMessages(
  environment: Environment,
  { statement, shown, hint }: { statement: string; shown: readonly (readonly [string, unknown])[]; hint?: string },
): ChatMessage[] {
  const actions = environment.actions.map(({ usage, about }) => `- ${usage}: ${about}`).join("\n");
  const examples = (environment.examples ?? []).map(
    (one) => `Statement:\n${one.statement}\nVariables:\n${variableLines(one.variables)}\n${replyOf(one)}`,
  );
  const variables = variableLines(Object.fromEntries(shown));
  return [
    { role: "system", content: [rules, `Actions:\n${actions}`, ...examples].join("\n\n") },
    {
      role: "user",
      content: [
        `Statement:\n${statement}`,
        `Variables:\n${variables === "" ? "(none)" : variables}`,
        ...(hint === undefined ? [] : [`Your last code could not be used. ${hint}`]),
      ].join("\n"),
    },
  ];
}

function replyOf({ thought, code }: Expansion): string {
  return `<think>${thought}</think><execute>\n${code}\n</execute>`;
}

export function readExpansion(text: string): Expansion | undefined {
  const thought = /<think>([\s\S]*?)<\/think>/.exec(text)?.[1]?.trim() ?? "";
  const body = text.replace(/<think>[\s\S]*?<\/think>/, "");
  const code =
    /<execute>([\s\S]*?)(?:<\/execute>|$)/.exec(body)?.[1] ?? /```(?:js|javascript)?\n([\s\S]*?)```/.exec(body)?.[1];
  if (code === undefined) return undefined;
  return { thought, code: code.replace(/^\s*```(?:js|javascript)?\n|```\s*$/g, "").trim() };
}

function variableLines(variables: Readonly<Record<string, unknown>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `- ${name} (${typeOf(value)}): ${shownValue(value)}`)
    .join("\n");
}

function shownValue(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  if (text.length <= mostCharacters) return text;
  const half = mostCharacters / 2;
  return `${text.slice(0, half)} … (${text.length} characters) … ${text.slice(-half)}`;
}

/** Two levels deep: list[string], {name: number}. */
export function typeOf(value: unknown, levels = 2): string {
  if (value === null) return "null";
  if (Array.isArray(value)) {
    if (levels <= 1) return "list";
    const kinds = new Set(value.slice(0, 20).map((one) => typeOf(one, levels - 1)));
    return kinds.size === 0 ? "list" : `list[${[...kinds].join(" | ")}]`;
  }
  if (typeof value !== "object") return typeof value;
  if (levels <= 1) return "object";
  const fields = Object.entries(value as object).slice(0, 8);
  return `{${fields.map(([name, one]) => `${name}: ${typeOf(one, levels - 1)}`).join(", ")}}`;
}
