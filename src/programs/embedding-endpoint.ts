import { QuireError } from "../errors.js";
import { json } from "./endpoint.js";
import type { EndpointConnection } from "./endpoint-request.js";

/** Sentence embeddings from any OpenAI-compatible address, unit length, in the order of the texts. */

export interface EmbeddingEndpointOptions extends EndpointConnection {
  readonly model: string;
  /** Texts a request; default 64. */
  readonly batch?: number;
}

export type EmbedTexts = (texts: readonly string[], signal?: AbortSignal) => Promise<Float32Array[]>;

export function embeddingEndpoint(options: EmbeddingEndpointOptions): EmbedTexts {
  const { model, batch = 64 } = options;
  const connection = {
    ...options,
    baseUrl: options.baseUrl.replace(/\/+$/, ""),
    apiKey: options.apiKey ?? process.env["OPENAI_API_KEY"],
  };
  return async (texts, signal) => {
    const vectors: Float32Array[] = [];
    for (let start = 0; start < texts.length; start += batch) {
      const input = texts.slice(start, start + batch);
      const reply = (await json(connection, "/embeddings", { model, input, encoding_format: "float" }, signal)) as {
        data?: { index?: number; embedding?: unknown }[];
      };
      vectors.push(...ordered(reply.data ?? [], input.length).map(unitLength));
    }
    return vectors;
  };
}

function ordered(data: readonly { index?: number; embedding?: unknown }[], count: number): number[][] {
  const rows = new Array<number[] | undefined>(count).fill(undefined);
  data.forEach(({ index, embedding }, i) => {
    if (Array.isArray(embedding) && embedding.every((x) => typeof x === "number")) rows[index ?? i] = embedding;
  });
  const width = rows[0]?.length ?? 0;
  const good = rows.filter((row): row is number[] => row !== undefined && row.length === width && width > 0);
  if (good.length !== count || rows.length !== count) {
    throw new QuireError("network", "The embedding endpoint did not give one vector a text.", {
      got: `${good.length} vectors of one width`,
      expected: `${count}`,
    });
  }
  return good;
}

function unitLength(row: readonly number[]): Float32Array {
  const norm = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
  return Float32Array.from(row, (x) => (norm > 0 ? x / norm : 0));
}
