import { z } from "zod";
import { badRequest } from "../http/api-error.js";
import { refuseUnsupported, samplingFields } from "../requests/sampling-fields.js";
import type { ChatRequest, ChatRequestMessage } from "./chat-request.js";

/** A request of the Responses API, and the chat it means. */

const part = z.object({ type: z.string(), text: z.string().optional() });
const content = z.union([z.string(), z.array(part).max(1000)]);

const item = z.union([
  z.object({ type: z.literal("function_call"), call_id: z.string(), name: z.string(), arguments: z.string() }),
  z.object({ type: z.literal("function_call_output"), call_id: z.string(), output: content }),
  z.object({
    type: z.literal("message").optional(),
    role: z.enum(["user", "assistant", "system", "developer"]),
    content,
  }),
  z.object({ type: z.literal("reasoning") }),
]);

const tool = z.object({
  type: z.literal("function", "only tools of the type function are known here"),
  name: z.string().regex(/^[\w.-]{1,64}$/, "must be 1 to 64 letters, digits, _ . or -"),
  description: z.string().nullish(),
  parameters: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
});

const format = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text") }),
  z.object({ type: z.literal("json_object") }),
  z.object({
    type: z.literal("json_schema"),
    name: z.string().nullish(),
    schema: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
    description: z.string().nullish(),
  }),
]);

const { model, temperature, top_p, stream, user, quire, top_k, min_p, seed } = samplingFields;

export const responseRequest = z.object({
  ...{ model, temperature, top_p, stream, user, quire, top_k, min_p, seed },
  input: z.union([z.string(), z.array(item).min(1).max(10_000)]),
  instructions: z.string().nullish(),
  max_output_tokens: z.int().min(1).nullish(),
  previous_response_id: z.string().nullish(),
  store: z.boolean().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  text: z.object({ format: format.nullish() }).nullish(),
  tools: z.array(tool).max(128).nullish(),
  tool_choice: z
    .union([z.enum(["none", "auto", "required"]), z.object({ type: z.literal("function"), name: z.string() })])
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
});

export type ResponseRequest = z.output<typeof responseRequest>;

const unsupported = {
  background: "Work in the background is not known here.",
  conversation: "Use previous_response_id.",
  prompt: "Stored prompts are not known here.",
};

export function parseResponseRequest(value: Readonly<Record<string, unknown>>): ResponseRequest {
  refuseUnsupported(value, unsupported);
  if (value["truncation"] === "auto") {
    throw badRequest(
      'truncation: Nothing is cut unasked. "quire": {"overflow": "drop-middle"} does so and says how much.',
      "truncation",
      "unsupported_parameter",
    );
  }
  return responseRequest.parse(value);
}

/** The messages that the input adds. */
export function messagesOf(input: ResponseRequest["input"]): ChatRequestMessage[] {
  if (typeof input === "string") return [{ role: "user", content: input }];
  const messages: ChatRequestMessage[] = [];
  for (const [i, one] of input.entries()) {
    if (one.type === "reasoning") continue;
    if (one.type === "function_call") {
      const call = {
        id: one.call_id,
        type: "function" as const,
        function: { name: one.name, arguments: one.arguments },
      };
      const last = messages.at(-1);
      // Calls of one turn are one message of a chat.
      if (last?.role === "assistant" && last.tool_calls) last.tool_calls.push(call);
      else messages.push({ role: "assistant", content: null, tool_calls: [call] });
    } else if (one.type === "function_call_output") {
      messages.push({ role: "tool", tool_call_id: one.call_id, content: textOf(one.output, `input[${i}]`) });
    } else messages.push({ role: one.role, content: textOf(one.content, `input[${i}]`) });
  }
  return messages;
}

function textOf(given: z.output<typeof content>, place: string): string {
  if (typeof given === "string") return given;
  return given
    .map((one, i) => {
      if (/^(input_text|output_text|text)$/.test(one.type) && one.text !== undefined) return one.text;
      const where = `${place}.content[${i}]`;
      throw badRequest(`${where}: This model reads text only, not ${one.type}.`, where, "unsupported_content");
    })
    .join("");
}

/** The same wishes as a chat request. */
export function asChat(request: ResponseRequest, messages: ChatRequestMessage[]): ChatRequest {
  const { instructions, text, tools, tool_choice: choice, ...rest } = request;
  const shape = text?.format;
  return {
    ...rest,
    messages: instructions ? [{ role: "system", content: instructions }, ...messages] : messages,
    max_completion_tokens: request.max_output_tokens,
    tools: tools?.map(({ type, ...described }) => ({ type, function: described })),
    tool_choice:
      typeof choice === "object" && choice !== null ? { type: "function", function: { name: choice.name } } : choice,
    response_format:
      shape?.type === "json_schema"
        ? { type: "json_schema", json_schema: { name: shape.name, schema: shape.schema, strict: shape.strict } }
        : shape,
  };
}
