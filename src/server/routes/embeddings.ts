import type { Hono } from "hono";
import { z } from "zod";
import { noEmbedder } from "../engine/no-embedder.js";
import { badRequest, notFound } from "../http/api-error.js";
import { readJson } from "../http/body.js";
import type { AppEnv, Service } from "../service.js";

/** POST /v1/embeddings: one vector of unit length a text. */

const tokens = z.array(z.int().min(0)).min(1).max(100_000);

export const embeddingRequest = z.object({
  model: z.string().nullish(),
  input: z.union([z.string(), z.array(z.string()).min(1).max(2048), tokens, z.array(tokens).min(1).max(2048)]),
  encoding_format: z.enum(["float", "base64"]).nullish(),
  dimensions: z.int().min(1).nullish(),
  user: z.string().nullish(),
});

export function embeddingRoutes(app: Hono<AppEnv>, service: Service): void {
  app.post("/v1/embeddings", async (context) => {
    const request = await readJson(context, embeddingRequest, service.settings.maxBodyBytes);
    const { embedder } = service.engine.info;
    if (embedder === undefined) throw noEmbedder();
    const { model, dimensions } = request;
    if (model !== null && model !== undefined && model !== "" && model !== embedder.name) {
      throw notFound(
        `The embedding model "${model}" is not served here. Served: ${embedder.name}.`,
        "model_not_found",
        "model",
      );
    }
    if (dimensions !== null && dimensions !== undefined && dimensions !== embedder.dimensions) {
      throw badRequest(`dimensions: ${embedder.name} makes vectors of ${embedder.dimensions}.`, "dimensions");
    }
    await service.engine.whenReady(context.req.raw.signal);
    const texts = textsOf(request.input);
    const { vectors, tokens: used, truncated } = await service.engine.embed(texts, context.req.raw.signal);
    const base64 = request.encoding_format === "base64";
    return context.json({
      object: "list",
      data: vectors.map((vector, index) => ({
        object: "embedding",
        index,
        embedding: base64 ? asBase64(vector) : Array.from(vector),
      })),
      model: embedder.name,
      usage: { prompt_tokens: used, total_tokens: used },
      // Texts of which only the beginning was looked at: never in silence.
      ...(truncated.length > 0 ? { quire: { truncated, max_tokens: embedder.maxTokens } } : {}),
    });
  });
}

function textsOf(input: z.output<typeof embeddingRequest>["input"]): string[] {
  if (typeof input === "string") return [input];
  const texts = input as readonly unknown[];
  if (texts.every((text) => typeof text === "string")) return texts as string[];
  throw badRequest(
    "input: Give texts. The embedding model has a vocabulary of its own, so tokens mean nothing to it.",
    "input",
    "unsupported_parameter",
  );
}

function asBase64(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64");
}
