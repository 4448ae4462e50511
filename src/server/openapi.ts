import type { Hono } from "hono";
import { z } from "zod";
import { chatRequest } from "./chat/chat-request.js";
import { completionRequest } from "./routes/completions.js";
import { embeddingRequest } from "./routes/embeddings.js";
import { responseRequest } from "./routes/responses.js";
import { detokenizeRequest, tokenizeRequest } from "./routes/tokens.js";
import type { AppEnv, Service } from "./service.js";

/** GET /openapi.json: the API as a document. Bodies come from the schemas that check them, so the two cannot differ. */

interface Operation {
  readonly method: "get" | "post" | "delete";
  readonly path: string;
  readonly summary: string;
  readonly body?: z.ZodType;
  readonly form?: boolean;
}

const operations: readonly Operation[] = [
  { method: "get", path: "/health", summary: "Whether the engine takes work" },
  { method: "get", path: "/metrics", summary: "Figures for Prometheus" },
  { method: "get", path: "/v1/models", summary: "Models that are served" },
  { method: "get", path: "/v1/models/{id}", summary: "One model" },
  { method: "post", path: "/v1/chat/completions", summary: "Answer a chat", body: chatRequest },
  { method: "post", path: "/v1/completions", summary: "Go on with a text", body: completionRequest },
  {
    method: "post",
    path: "/v1/responses",
    summary: "Answer, in the shape of the Responses API",
    body: responseRequest,
  },
  { method: "post", path: "/v1/embeddings", summary: "Texts to vectors", body: embeddingRequest },
  { method: "post", path: "/v1/tokenize", summary: "Text to tokens", body: tokenizeRequest },
  { method: "post", path: "/v1/detokenize", summary: "Tokens to text", body: detokenizeRequest },
  { method: "get", path: "/v1/server", summary: "What runs here, and how it is" },
  { method: "get", path: "/v1/methods", summary: "The catalogue of methods" },
  { method: "get", path: "/v1/requests", summary: "Requests at work" },
  { method: "delete", path: "/v1/requests/{id}", summary: "Stop a request" },
  { method: "get", path: "/v1/scheduler/events", summary: "What every pass carries, as events" },
];

export function openApiRoutes(app: Hono<AppEnv>, service: Service): void {
  let made: object | undefined;
  app.get("/openapi.json", (context) => {
    made ??= document(service.version);
    return context.json(made);
  });
}

function document(version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: described(operation) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Quire", version, description: "Open language models over inputs larger than any context window." },
    paths,
    components: {
      securitySchemes: { key: { type: "http", scheme: "bearer" } },
      schemas: { Error: z.toJSONSchema(errorSchema) },
    },
    security: [{}, { key: [] }],
  };
}

const errorSchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
});

function described({ path, summary, body, form }: Operation): object {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  const problem = { description: "What is wrong", content: json({ $ref: "#/components/schemas/Error" }) };
  return {
    summary,
    parameters: names.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } })),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: {
              ...json(z.toJSONSchema(body, { io: "input", unrepresentable: "any" })),
              ...(form === true ? { "multipart/form-data": { schema: { type: "object" } } } : {}),
            },
          },
        }),
    responses: { 200: { description: "Done" }, default: problem },
  };
}

function json(schema: object): object {
  return { "application/json": { schema } };
}
