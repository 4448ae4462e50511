import type { CallbackManagerForLLMRun } from "@langchain/core/callbacks/manager";
import { BaseDocumentTransformer, Document, type DocumentInterface } from "@langchain/core/documents";
import { Embeddings } from "@langchain/core/embeddings";
import { BaseChatModel, type BaseChatModelCallOptions } from "@langchain/core/language_models/chat_models";
import { AIMessage, AIMessageChunk, type BaseMessage } from "@langchain/core/messages";
import { ChatGenerationChunk, type ChatResult } from "@langchain/core/outputs";
import { BaseRetriever } from "@langchain/core/retrievers";
import type { Chunker } from "../corpus/chunk/chunker.js";
import type { Corpus } from "../corpus-session.js";
import type { Embedder } from "../engine/embedder.js";
import { QuireError } from "../errors.js";
import type { GenerateOptions, GenerateResult } from "../generate-options.js";
import { partOf } from "../methods.js";
import type { ChatMessage } from "../programs/language-model.js";
import type { Quire } from "../quire.js";

/** Quire's models, vectors, chunkers and corpora for LangChain.js, in this process. */

export interface ChatQuireCallOptions extends BaseChatModelCallOptions, Pick<GenerateOptions, "maxTokens" | "seed"> {}

/** `await new ChatQuire(quire).invoke("Hello")` */
export class ChatQuire extends BaseChatModel<ChatQuireCallOptions> {
  readonly quire: Quire;
  readonly options: GenerateOptions;

  constructor(quire: Quire, options: GenerateOptions = {}) {
    super({});
    this.quire = quire;
    this.options = options;
  }

  static override lc_name(): string {
    return "ChatQuire";
  }

  override _llmType(): string {
    return "quire";
  }

  override async _generate(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    manager?: CallbackManagerForLLMRun,
  ): Promise<ChatResult> {
    const stream = this.quire.stream(messages.map(messageOf), this.#request(options));
    for (;;) {
      const next = await stream.next();
      if (next.done === true) {
        const { text } = next.value;
        const message = new AIMessage({ content: text, ...metadataOf(next.value) });
        return { generations: [{ text, message }] };
      }
      if ((next.value.channel ?? 0) === 0) await manager?.handleLLMNewToken(next.value.text);
    }
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    manager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const stream = this.quire.stream(messages.map(messageOf), this.#request(options));
    for (;;) {
      const next = await stream.next();
      if (next.done === true) {
        const message = new AIMessageChunk({ content: "", ...metadataOf(next.value) });
        yield new ChatGenerationChunk({ text: "", message });
        return;
      }
      const { text, channel = 0 } = next.value;
      if (text === "" || channel > 0) continue;
      yield new ChatGenerationChunk({ text, message: new AIMessageChunk(text) });
      await manager?.handleLLMNewToken(text);
    }
  }

  #request({ stop, signal, maxTokens, seed }: this["ParsedCallOptions"]): GenerateOptions {
    const given = Object.entries({ stop, signal, maxTokens, seed }).filter(([, value]) => value !== undefined);
    return { ...this.options, ...Object.fromEntries(given) };
  }
}

export class QuireEmbeddings extends Embeddings {
  readonly embedder: Embedder;

  constructor(embedder: Embedder) {
    super({});
    this.embedder = embedder;
  }

  override async embedDocuments(texts: string[]): Promise<number[][]> {
    return (await this.embedder.embed(texts)).map((vector) => Array.from(vector));
  }

  override async embedQuery(text: string): Promise<number[]> {
    return (await this.embedDocuments([text]))[0] as number[];
  }
}

/** Cuts documents with a chunker of Quire: "sentence", "code-chunking:...", or a part. */
export class QuireTextSplitter extends BaseDocumentTransformer {
  override lc_namespace = ["quire", "text_splitter"];
  readonly chunker: string | Chunker;

  constructor(chunker: string | Chunker = "recursive") {
    super();
    this.chunker = chunker;
  }

  async splitText(text: string, name = "text"): Promise<string[]> {
    return (await this.#cut(text, name)).map((chunk) => chunk.text);
  }

  override async transformDocuments(documents: DocumentInterface[]): Promise<DocumentInterface[]> {
    const cut = await Promise.all(
      documents.map(async ({ pageContent, metadata }) => {
        const { source } = metadata as { source?: unknown };
        const chunks = await this.#cut(pageContent, typeof source === "string" ? source : "text");
        return chunks.map(
          ({ text, startLine, endLine }) =>
            new Document({
              pageContent: text,
              metadata: { ...metadata, loc: { lines: { from: startLine, to: endLine } } },
            }),
        );
      }),
    );
    return cut.flat();
  }

  async #cut(text: string, uri: string) {
    const chunker = await partOf("chunker", this.chunker);
    const document = { id: uri, uri, mime: "text/plain", text, sections: [], sourceMap: [], meta: {} };
    const chunks = [];
    // Four bytes a token, as everywhere where no model is loaded.
    const context = { countTokens: (piece: string) => Math.ceil(Buffer.byteLength(piece) / 4) };
    for await (const chunk of chunker.chunk(document, context)) chunks.push(chunk);
    return chunks;
  }
}

/** Finds passages of a folder: `new QuireRetriever(await quire.corpus("./docs"))`. */
export class QuireRetriever extends BaseRetriever {
  override lc_namespace = ["quire", "retrievers"];
  readonly corpus: Corpus;
  readonly k: number;

  constructor(corpus: Corpus, { k = 4 }: { k?: number } = {}) {
    super();
    this.corpus = corpus;
    this.k = k;
  }

  override async _getRelevantDocuments(query: string): Promise<DocumentInterface[]> {
    const found = await this.corpus.search(query, { k: this.k });
    return found.map(({ chunk, score }) => {
      const { text, uri, startLine, endLine, startByte, endByte } = chunk;
      return new Document({
        pageContent: text,
        id: chunk.id,
        metadata: { source: uri, loc: { lines: { from: startLine, to: endLine } }, startByte, endByte, score },
      });
    });
  }
}

const roles = { system: "system", human: "user", ai: "assistant", tool: "tool" } as const;

function messageOf(message: BaseMessage): ChatMessage {
  const role = roles[message.type as keyof typeof roles];
  const { content } = message;
  if (role !== undefined && typeof content === "string") return { role, content };
  const texts =
    typeof content === "string" ? [] : content.map((part) => (part.type === "text" ? part["text"] : undefined));
  if (role !== undefined && texts.every((text) => typeof text === "string")) return { role, content: texts.join("") };
  throw new QuireError("unsupported", "A message holds something that the model cannot read.", {
    got: message.type,
    expected: "text from system, human or ai",
  });
}

function metadataOf({ usage, finishReason }: Pick<GenerateResult, "usage" | "finishReason">) {
  const { promptTokens, completionTokens } = usage;
  return {
    usage_metadata: {
      input_tokens: promptTokens,
      output_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
    },
    response_metadata: { finish_reason: finishReason },
  };
}
