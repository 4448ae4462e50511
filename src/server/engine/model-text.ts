import { type ChatTemplate, chatTemplate, ggufChatTemplate } from "../../text/chat-template.js";
import { ggufTokenizer } from "../../text/gguf-tokenizer.js";
import { openHfTokenizer } from "../../text/hf-tokenizer.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import { openWeightFile } from "../../weights/open-weight-file.js";

/** A model's text side in the server's own process: tokenizer and chat template, read from the model's file, without weights and
 *  without native code. So prompts are made, counted and checked before they go to the engine, and also while it is away. */

export interface ModelText {
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  /** The template's source; undefined where the model has none. */
  readonly templateSource: string | undefined;
}

export async function openModelText(path: string): Promise<ModelText> {
  const file = await openWeightFile(path);
  try {
    if (file.format !== "gguf") {
      const tokenizer = await openHfTokenizer(path);
      return { tokenizer, template: chatTemplate({ template: undefined }), templateSource: undefined };
    }
    const tokenizer = ggufTokenizer(file.metadata);
    const source = file.metadata.get("tokenizer.chat_template");
    return {
      tokenizer,
      template: ggufChatTemplate(file.metadata, tokenizer),
      templateSource: typeof source === "string" ? source : undefined,
    };
  } finally {
    await file.close();
  }
}
