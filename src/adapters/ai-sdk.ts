import type {
  EmbeddingModelV3,
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3FinishReason,
  LanguageModelV3Prompt,
  LanguageModelV3StreamPart,
  LanguageModelV3Usage,
  SharedV3Warning,
} from "@ai-sdk/provider";
import type { Embedder } from "../engine/embedder.js";
import { QuireError } from "../errors.js";
import type { GenerateOptions, GenerateResult } from "../generate-options.js";
import type { ChatMessage } from "../programs/language-model.js";
import type { Quire } from "../quire.js";

/** Quire's models for Vercel's AI SDK, in this process:
 *
 *      const { text } = await generateText({ model: quireModel(quire), prompt: "Hello" });
 *
 *  Tools are for `quire serve`, which any OpenAI-compatible provider reaches; here they are left out with a warning. */

export type QuireModelOptions = Pick<
  GenerateOptions,
  "cache" | "decoder" | "overflow" | "minP" | "repetitionPenalty" | "user" | "prefixScope"
>;

export function quireModel(quire: Quire, options: QuireModelOptions = {}): LanguageModelV3 {
  return {
    specificationVersion: "v3",
    provider: "quire",
    modelId: quire.name,
    supportedUrls: {},
    async doGenerate(call) {
      const { messages, generate, warnings } = requestOf(call, options);
      const { text, ...result } = await unlessAborted(call.abortSignal, quire.generate(messages, generate));
      return {
        content: text === "" ? [] : [{ type: "text", text }],
        finishReason: finishOf(result),
        usage: usageOf(result),
        warnings,
      };
    },
    async doStream(call) {
      const { messages, generate, warnings } = requestOf(call, options);
      const pieces = quire.stream(messages, generate);
      return {
        stream: ReadableStream.from(
          parts(pieces, warnings, call.abortSignal),
        ) as ReadableStream<LanguageModelV3StreamPart>,
      };
    },
  };
}

export function quireEmbedding(embedder: Embedder, { name = "quire" }: { name?: string } = {}): EmbeddingModelV3 {
  return {
    specificationVersion: "v3",
    provider: "quire",
    modelId: name,
    maxEmbeddingsPerCall: undefined,
    supportsParallelCalls: true,
    async doEmbed({ values, abortSignal }) {
      const vectors = await embedder.embed(values, { signal: abortSignal });
      return { embeddings: vectors.map((vector) => Array.from(vector)), warnings: [] };
    },
  };
}

/** The AI SDK knows an aborted call by the signal's own error. */
async function unlessAborted<Result>(signal: AbortSignal | undefined, work: Promise<Result>): Promise<Result> {
  return work.catch((error: unknown) => {
    throw signal?.aborted === true ? signal.reason : error;
  });
}

async function* parts(
  pieces: ReturnType<Quire["stream"]>,
  warnings: SharedV3Warning[],
  signal: AbortSignal | undefined,
): AsyncGenerator<LanguageModelV3StreamPart> {
  yield { type: "stream-start", warnings };
  yield { type: "text-start", id: "0" };
  for (;;) {
    const next = await unlessAborted(signal, pieces.next());
    if (next.done === true) {
      yield { type: "text-end", id: "0" };
      yield { type: "finish", finishReason: finishOf(next.value), usage: usageOf(next.value) };
      return;
    }
    const { text, channel = 0 } = next.value;
    if (text !== "" && channel === 0) yield { type: "text-delta", id: "0", delta: text };
  }
}

function requestOf(
  call: LanguageModelV3CallOptions,
  options: QuireModelOptions,
): { messages: ChatMessage[]; generate: GenerateOptions; warnings: SharedV3Warning[] } {
  const { temperature, topP, topK, presencePenalty, frequencyPenalty, seed, responseFormat } = call;
  const warnings: SharedV3Warning[] = [];
  if ((call.tools?.length ?? 0) > 0) {
    const details = "Tools are called through `quire serve` and an OpenAI-compatible provider.";
    warnings.push({ type: "unsupported", feature: "tools", details });
  }
  const generate: GenerateOptions = {
    ...options,
    maxTokens: call.maxOutputTokens,
    stop: call.stopSequences,
    ...{ temperature, topP, topK, presencePenalty, frequencyPenalty, seed },
    ...(responseFormat?.type === "json" ? { schema: responseFormat.schema ?? {} } : {}),
    signal: call.abortSignal,
  };
  const given = Object.entries(generate).filter(([, value]) => value !== undefined);
  return { messages: call.prompt.map(messageOf), generate: Object.fromEntries(given), warnings };
}

function messageOf({ role, content }: LanguageModelV3Prompt[number]): ChatMessage {
  if (typeof content === "string") return { role, content };
  const texts = content.map((part) => {
    if (part.type === "text" || part.type === "reasoning") return part.text;
    throw new QuireError("unsupported", `A message holds a part that the model cannot read: ${part.type}.`, {
      got: part.type,
      expected: "text",
      fix: "Tools and files go through `quire serve`.",
    });
  });
  return { role, content: texts.join("") };
}

function finishOf({ finishReason }: Pick<GenerateResult, "finishReason">): LanguageModelV3FinishReason {
  return { unified: finishReason, raw: finishReason };
}

function usageOf({ usage }: Pick<GenerateResult, "usage">): LanguageModelV3Usage {
  const { promptTokens, cachedTokens, completionTokens } = usage;
  return {
    inputTokens: {
      total: promptTokens,
      noCache: promptTokens - cachedTokens,
      cacheRead: cachedTokens,
      cacheWrite: undefined,
    },
    outputTokens: { total: completionTokens, text: completionTokens, reasoning: undefined },
  };
}
