import { readGrammar } from "../../text/grammar/grammar.js";
import type { JobOptions } from "../engine/client.js";
import { badRequest } from "../http/api-error.js";
import { given, samplingOf, stopsOf, withoutUndefined } from "../requests/sampling-fields.js";
import type { SideBySide } from "../requests/side-by-side.js";
import type { Service } from "../service.js";
import { type ChatTask, roomFor } from "./answer-chat.js";
import type { ChatRequest, FunctionTool } from "./chat-request.js";
import { renderChat } from "./render-chat.js";
import { forcible, toolFormatOf } from "./tool-format.js";

/** From a checked request to tasks, one for each answer wanted. All that can be wrong with a request is found here, before it waits. */

const mostCalls = 16;

export function prepareChat(
  service: Service,
  request: ChatRequest,
  who: { readonly id: string; readonly user: string; readonly signal: AbortSignal },
  side?: SideBySide,
): ChatTask[] {
  const { text, settings, engine } = service;
  const format = toolFormatOf(text.templateSource);
  const { tools, mustCall } = chosenTools(request);
  const variables = given(request.quire?.template);
  const prompt = renderChat(text, { messages: request.messages, tools, format, variables });
  const wanted = given(request.max_completion_tokens) ?? given(request.max_tokens);
  const overflow = samplingOf(request).overflow;
  const { contextTokens } = engine.info;
  const maxTokens = roomFor(prompt.length, contextTokens, wanted, settings.defaultMaxTokens, overflow);
  const shape = answerShape(request);
  if (side !== undefined && tools.length > 0)
    throw badRequest("tools: Answers that are drawn side by side call none.", "tools", "unsupported_parameter");
  return Array.from({ length: side?.answers ?? request.n ?? 1 }, (_, index) => ({
    id: index === 0 ? who.id : `${who.id}-${index}`,
    user: who.user,
    signal: who.signal,
    prompt,
    tools: forcible(tools),
    format,
    mustCall,
    mostCalls: request.parallel_tool_calls === false || mustCall ? 1 : mostCalls,
    options: withoutUndefined({
      ...samplingOf(request, index),
      ...(side === undefined ? {} : { decoder: side.decoder }),
      ...shape,
      stop: stopsOf(request),
      logprobs: request.logprobs === true ? Math.max(1, request.top_logprobs ?? 0) : undefined,
      maxTokens,
    }),
  }));
}

function chosenTools({ tools, tool_choice: choice }: ChatRequest): { tools: FunctionTool[]; mustCall: boolean } {
  const all = tools ?? [];
  if (choice === null || choice === undefined || choice === "auto") return { tools: all, mustCall: false };
  if (choice === "none") return { tools: [], mustCall: false };
  if (all.length === 0) throw badRequest("tool_choice: There are no tools to choose from.", "tool_choice");
  if (choice === "required") return { tools: all, mustCall: true };
  const { name } = choice.function;
  const named = all.filter((tool) => tool.function.name === name);
  if (named.length === 0) {
    throw badRequest(`tool_choice: There is no tool called "${name}".`, "tool_choice.function.name");
  }
  return { tools: named, mustCall: true };
}

/** A schema or grammar that the answer must fit; one that cannot be forced is refused now. */
function answerShape({ response_format: format, quire }: ChatRequest): Pick<JobOptions, "schema" | "grammar"> {
  const grammar = given(quire?.grammar);
  if (grammar !== undefined) {
    if (format !== null && format !== undefined && format.type !== "text") {
      throw badRequest("response_format: Give a grammar or a response format, not both.", "response_format");
    }
    checkGrammar({ gbnf: grammar }, "quire.grammar");
    return { grammar };
  }
  if (format === null || format === undefined || format.type === "text") return {};
  const schema = format.type === "json_object" ? { type: "object" } : (format.json_schema.schema ?? { type: "object" });
  checkGrammar({ schema }, "response_format");
  return { schema };
}

export function checkGrammar(source: Parameters<typeof readGrammar>[0], param: string): void {
  try {
    readGrammar(source);
  } catch (error) {
    throw badRequest(`${param}: ${(error as Error).message}`, param, "invalid_schema");
  }
}
