import { readGrammar } from "../../text/grammar/grammar.js";
import { badRequest } from "../http/api-error.js";
import type { FunctionTool } from "./chat-request.js";

/** How a model is told of tools and how it calls them. Where its template knows tools, that is used and calls are read in the form it
 *  teaches; other models are told in a system message, in the form most are trained on. What stands inside a call is forced by a
 *  grammar to be JSON that fits the tool's schema. */

export interface ToolFormat {
  /** The template writes the tools itself. */
  readonly inTemplate: boolean;
  /** Text that opens a call, and is therefore written for the model where a call is wanted; "" = a call is bare JSON. */
  readonly opener: string;
  readonly closer: string;
  readonly argumentsKey: "arguments" | "parameters";
}

const tagged = { opener: "<tool_call>", closer: "</tool_call>", argumentsKey: "arguments" } as const;

export function toolFormatOf(templateSource: string | undefined): ToolFormat {
  const knowsTools = templateSource !== undefined && /\btools\b/.test(templateSource);
  if (!knowsTools) return { inTemplate: false, ...tagged };
  if (templateSource.includes(tagged.opener)) return { inTemplate: true, ...tagged };
  // Llama 3.1 and later: the whole answer is {"name": …, "parameters": …}.
  if (/"parameters"|parameters/.test(templateSource) && !templateSource.includes("[TOOL_CALLS]")) {
    return { inTemplate: true, opener: "", closer: "", argumentsKey: "parameters" };
  }
  return { inTemplate: false, ...tagged };
}

export function toolInstructions(tools: readonly FunctionTool[]): string {
  const list = tools.map((tool) => JSON.stringify(tool)).join("\n");
  return `You may call these functions:\n<tools>\n${list}\n</tools>\nTo call one, answer with its name and arguments as JSON:\n<tool_call>\n{"name": "function name", "arguments": {}}\n</tool_call>`;
}

/** Schema of one call of any of these tools. */
export function callSchema(tools: readonly FunctionTool[], argumentsKey: string): object {
  const calls = tools.map(({ function: { name, parameters } }) => ({
    type: "object",
    properties: { name: { const: name }, [argumentsKey]: closed(parameters ?? { type: "object", properties: {} }) },
    required: ["name", argumentsKey],
    additionalProperties: false,
  }));
  return calls.length === 1 ? (calls[0] as object) : { anyOf: calls };
}

/** Arguments nobody asked for are not made up. */
function closed(parameters: Readonly<Record<string, unknown>>): object {
  return parameters["additionalProperties"] === undefined && parameters["properties"] !== undefined
    ? { ...parameters, additionalProperties: false }
    : parameters;
}

/** Tools with schemas that can be forced; one that cannot takes any object, unless it was asked to be strict. */
export function forcible(tools: readonly FunctionTool[]): FunctionTool[] {
  return tools.map((tool, i) => {
    try {
      readGrammar({ schema: callSchema([tool], "arguments") });
      return tool;
    } catch (error) {
      const where = `tools[${i}].function.parameters`;
      if (tool.function.strict === true) throw badRequest(`${where}: ${(error as Error).message}`, where);
      return { ...tool, function: { ...tool.function, parameters: { type: "object" } } };
    }
  });
}

export interface CalledFunction {
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
}

/** A call from its JSON; undefined where the text is none. */
export function readCall(text: string, tools: readonly FunctionTool[]): CalledFunction | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text.trim());
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { name, arguments: given, parameters } = value as Record<string, unknown>;
  if (typeof name !== "string" || !tools.some((tool) => tool.function.name === name)) return undefined;
  const args = given ?? parameters ?? {};
  return { name, arguments: typeof args === "string" ? args : JSON.stringify(args) };
}
