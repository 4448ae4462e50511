import { encodePrompt } from "../../text/chat-prompt.js";
import type { ChatMessage } from "../../text/chat-template.js";
import type { ModelText } from "../engine/model-text.js";
import { type ChatRequestMessage, type FunctionTool, textOf } from "./chat-request.js";
import { type ToolFormat, toolInstructions } from "./tool-format.js";

/** The tokens of a chat: messages and tools through the model's template. */

export interface ChatToRender {
  readonly messages: readonly ChatRequestMessage[];
  readonly tools: readonly FunctionTool[];
  readonly format: ToolFormat;
  readonly variables?: Readonly<Record<string, unknown>>;
}

export function renderChat({ tokenizer, template }: ModelText, chat: ChatToRender): Int32Array {
  const { tools, format, variables } = chat;
  const messages = chat.messages.map((message, i) => asTemplateMessage(message, `messages[${i}]`, format));
  const shown = tools.length > 0 && !format.inTemplate ? withInstructions(messages, toolInstructions(tools)) : messages;
  const inTemplate = tools.length > 0 && format.inTemplate ? tools : undefined;
  const prompt = template.render(shown, { tools: inTemplate, variables });
  return encodePrompt(tokenizer, prompt, { bos: true });
}

function asTemplateMessage(message: ChatRequestMessage, place: string, format: ToolFormat): ChatMessage {
  if (message.role === "tool") {
    const content = textOf(message.content, place);
    if (format.inTemplate) return { role: "tool", content, tool_call_id: message.tool_call_id };
    return { role: "user", content: `<tool_response>\n${content}\n</tool_response>` };
  }
  const said = message.content === null || message.content === undefined ? "" : textOf(message.content, place);
  if (message.role !== "assistant") {
    return { role: message.role === "developer" ? "system" : message.role, content: said };
  }
  const calls = message.tool_calls ?? [];
  if (calls.length === 0) return { role: "assistant", content: said };
  if (!format.inTemplate) {
    const written = calls.map(({ function: { name, arguments: args } }) => {
      const call = `{"name": ${JSON.stringify(name)}, "${format.argumentsKey}": ${args}}`;
      return `${format.opener}\n${call}\n${format.closer}`;
    });
    return { role: "assistant", content: [said, ...written].filter((text) => text !== "").join("\n") };
  }
  return {
    role: "assistant",
    content: said,
    tool_calls: calls.map((call) => ({
      ...call,
      function: { name: call.function.name, arguments: parsed(call.function.arguments) },
    })),
  };
}

/** Templates expect data; text that is no JSON stays text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function withInstructions(messages: readonly ChatMessage[], instructions: string): ChatMessage[] {
  const [first, ...rest] = messages;
  if (first?.role !== "system") return [{ role: "system", content: instructions }, ...messages];
  return [{ ...first, content: `${String(first.content)}\n\n${instructions}` }, ...rest];
}
