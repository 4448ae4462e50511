import type { GenerateOptions } from "../generate-options.js";
import type { ChatMessage } from "../programs/language-model.js";
import type { AllModelFlags, OpenedModel } from "./open-model.js";

/** A conversation with whatever answers: on this machine with its memory of earlier turns, or at an endpoint. */

export interface Reply {
  readonly text: string;
  readonly finishReason: "stop" | "length";
  readonly usage: {
    readonly promptTokens: number;
    readonly cachedTokens: number;
    readonly completionTokens: number;
    readonly seconds: number;
  };
}

export interface Conversation {
  send(text: string, onText: (piece: string) => void, signal: AbortSignal): Promise<Reply>;
  clear(): void;
  close(): void;
}

export interface ConversationFlags extends AllModelFlags {
  readonly system?: string;
  readonly overflow?: GenerateOptions["overflow"];
}

const defaultMaxTokens = 512;

export function startConversation(opened: OpenedModel, flags: ConversationFlags): Conversation {
  const { quire } = opened;
  if (quire === undefined) return remoteConversation(opened, flags);
  const { system, cache, decoder, temperature, seed, maxTokens, overflow } = flags;
  const chat = quire.chat({ system, cache, decoder, temperature, seed, maxTokens, overflow });
  return {
    async send(text, onText, signal) {
      const stream = chat.stream(text, { signal });
      for (;;) {
        const next = await stream.next();
        if (next.done === true) return next.value;
        onText(next.value);
      }
    },
    clear: () => chat.clear(),
    close: () => chat.close(),
  };
}

function remoteConversation({ model }: OpenedModel, flags: ConversationFlags): Conversation {
  const first: ChatMessage[] = flags.system === undefined ? [] : [{ role: "system", content: flags.system }];
  let messages = first;
  return {
    async send(text, onText, signal) {
      const asked: ChatMessage[] = [...messages, { role: "user", content: text }];
      let said = "";
      try {
        return await model.generate({
          messages: asked,
          maxTokens: flags.maxTokens ?? defaultMaxTokens,
          signal,
          onText: (piece) => {
            said += piece;
            onText(piece);
          },
        });
      } finally {
        // What was said so far stays said, also when it was stopped.
        if (said !== "") messages = [...asked, { role: "assistant", content: said }];
      }
    },
    clear: () => {
      messages = first;
    },
    close: () => {},
  };
}
