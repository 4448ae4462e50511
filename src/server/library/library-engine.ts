import type { GenerationRequest, LanguageModel } from "../../programs/language-model.js";
import { encodePrompt } from "../../text/chat-prompt.js";
import { roomFor } from "../chat/answer-chat.js";
import type { EmbedderInfo, EngineClient } from "../engine/client.js";
import type { ModelText } from "../engine/model-text.js";
import type { Runs } from "../requests/runs.js";
import { withoutUndefined } from "../requests/sampling-fields.js";

/** What corpora need of the engine: tokens counted, texts embedded, and a language model whose calls wait in the same queue as all
 *  others, in the line of whoever asked. */

export interface LibraryEngine {
  readonly embedder: EmbedderInfo | undefined;
  countTokens(text: string): number;
  readonly embed: ((texts: readonly string[], signal?: AbortSignal) => Promise<Float32Array[]>) | undefined;
  modelFor(user: string): LanguageModel;
}

export interface LibraryEngineParts {
  readonly engine: EngineClient;
  readonly text: ModelText;
  readonly runs: Runs;
}

export function libraryEngine(parts: LibraryEngineParts): LibraryEngine {
  const { engine, text } = parts;
  const { embedder } = engine.info;
  return {
    embedder,
    countTokens: (given) => text.tokenizer.encode(given).length,
    embed:
      embedder === undefined
        ? undefined
        : async (texts, signal) => {
            await engine.whenReady(signal);
            return [...(await engine.embed(texts, signal)).vectors];
          },
    modelFor: (user) => modelFor(parts, user),
  };
}

function modelFor({ engine, text, runs }: LibraryEngineParts, user: string): LanguageModel {
  const { model: id, contextTokens, parameters } = engine.info;
  return {
    id,
    contextTokens,
    parameters,
    exactCounts: true,
    countTokens: (given) => text.tokenizer.encode(given).length,
    async generate(request: GenerationRequest) {
      const { messages, maxTokens, temperature, seed, stop = [], schema, signal, onText } = request;
      const prompt = encodePrompt(text.tokenizer, text.template.render(messages.map((one) => ({ ...one }))), {
        bos: true,
      });
      const options = withoutUndefined({
        maxTokens: roomFor(prompt.length, contextTokens, maxTokens, maxTokens, undefined),
        ...{ temperature, seed, schema, stop: [...stop, ...text.template.stops] },
      });
      const stream = runs.start({ user, prompt, options, signal }).pieces();
      let said = "";
      for (;;) {
        const next = await stream.next();
        if (next.done === true) {
          const { finishReason, usage } = next.value;
          return { text: said, finishReason, usage };
        }
        if (next.value.text === "") continue;
        said += next.value.text;
        onText?.(next.value.text);
      }
    },
  };
}
