import { z } from "zod";
import { badRequest } from "../http/api-error.js";
import { refuseUnsupported, samplingFields } from "../requests/sampling-fields.js";

/** A chat request as OpenAI's clients send it. */

const textPart = z.object({ type: z.literal("text"), text: z.string() });
const parts = z.array(z.union([textPart, z.object({ type: z.string() })])).max(1000);
const content = z.union([z.string(), parts]);

export const toolCall = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

const message = z.discriminatedUnion("role", [
  z.object({ role: z.literal(["system", "developer"]), content, name: z.string().nullish() }),
  z.object({ role: z.literal("user"), content, name: z.string().nullish() }),
  z.object({
    role: z.literal("assistant"),
    content: content.nullish(),
    name: z.string().nullish(),
    refusal: z.string().nullish(),
    tool_calls: z.array(toolCall).max(128).nullish(),
  }),
  z.object({ role: z.literal("tool"), content, tool_call_id: z.string() }),
]);

export const functionTool = z.object({
  type: z.literal("function"),
  function: z.object({
    name: z.string().regex(/^[\w.-]{1,64}$/, "must be 1 to 64 letters, digits, _ . or -"),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  }),
});

export const toolChoice = z.union([
  z.enum(["none", "auto", "required"]),
  z.object({ type: z.literal("function"), function: z.object({ name: z.string() }) }),
]);

export const responseFormat = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text") }),
  z.object({ type: z.literal("json_object") }),
  z.object({
    type: z.literal("json_schema"),
    json_schema: z.object({
      name: z.string().nullish(),
      description: z.string().nullish(),
      schema: z.record(z.string(), z.unknown()).nullish(),
      strict: z.boolean().nullish(),
    }),
  }),
]);

export const chatRequest = z.object({
  ...samplingFields,
  messages: z.array(message).min(1).max(10_000),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  response_format: responseFormat.nullish(),
  tools: z.array(functionTool).max(128).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
});

export type ChatRequest = z.output<typeof chatRequest>;
export type ChatRequestMessage = ChatRequest["messages"][number];
export type FunctionTool = z.output<typeof functionTool>;

const unsupported = {
  audio: "This server makes no sound.",
  functions: "Use tools instead.",
  function_call: "Use tool_choice instead.",
  prediction: 'Predicted outputs are not known here; "quire": {"decoder": "prompt-lookup"} drafts from the prompt.',
  web_search_options: "This server does not search the web.",
  store: "Nothing is stored here.",
  guided_json: "Use response_format instead.",
  guided_regex: 'Use "quire": {"grammar": "..."} instead.',
  guided_grammar: 'Use "quire": {"grammar": "..."} instead.',
  grammar: 'Use "quire": {"grammar": "..."} instead.',
};

export function parseChatRequest(value: Readonly<Record<string, unknown>>): ChatRequest {
  refuseUnsupported(value, unsupported);
  const { modalities } = value;
  if (Array.isArray(modalities) && modalities.some((one) => one !== "text")) {
    throw badRequest("modalities: Only text is made here.", "modalities", "unsupported_parameter");
  }
  const request = chatRequest.parse(value);
  if ((request.top_logprobs ?? 0) > 0 && request.logprobs !== true) {
    throw badRequest("top_logprobs: logprobs must be true.", "top_logprobs");
  }
  return request;
}

/** The text of a message; pictures and sounds are refused, with the place they stand at. */
export function textOf(given: z.output<typeof content>, place: string): string {
  if (typeof given === "string") return given;
  return given
    .map((part, i) => {
      if (part.type === "text" && "text" in part && typeof part.text === "string") return part.text;
      const where = `${place}.content[${i}]`;
      throw badRequest(`${where}: This model reads text only, not ${part.type}.`, where, "unsupported_content");
    })
    .join("");
}
