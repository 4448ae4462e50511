import type { Hono } from "hono";
import { z } from "zod";
import { chatRequest } from "./chat/chat-request.js";
import { askRequest, searchRequest } from "./routes/ask.js";
import { completionRequest } from "./routes/completions.js";
import { addFile, createCorpus } from "./routes/corpora.js";
import { embeddingRequest } from "./routes/embeddings.js";
import { jobRequest } from "./routes/jobs.js";
import { responseRequest } from "./routes/responses.js";
import { detokenizeRequest, tokenizeRequest } from "./routes/tokens.js";
import { inspectRequest, watchRequest } from "./routes/watch.js";
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
  {
    method: "post",
    path: "/v1/decoders/watch",
    summary: "Generate, and tell what the decoder does, as events",
    body: watchRequest,
  },
  { method: "post", path: "/v1/cache/inspect", summary: "What cache policies keep of a text", body: inspectRequest },
  { method: "get", path: "/v1/server", summary: "What runs here, and how it is" },
  { method: "get", path: "/v1/usage", summary: "Usage by tenant and document, with noise" },
  { method: "get", path: "/v1/methods", summary: "The catalogue of methods" },
  { method: "get", path: "/v1/requests", summary: "Requests at work" },
  { method: "delete", path: "/v1/requests/{id}", summary: "Stop a request" },
  { method: "get", path: "/v1/scheduler/events", summary: "What every pass carries, as events" },
  { method: "get", path: "/v1/files", summary: "Files that were sent" },
  { method: "post", path: "/v1/files", summary: "Send a file", form: true },
  { method: "get", path: "/v1/files/{id}", summary: "One file" },
  { method: "get", path: "/v1/files/{id}/content", summary: "What is in it" },
  { method: "delete", path: "/v1/files/{id}", summary: "Delete a file" },
  { method: "get", path: "/v1/corpora", summary: "Corpora" },
  { method: "post", path: "/v1/corpora", summary: "Make a corpus", body: createCorpus },
  { method: "get", path: "/v1/corpora/{id}", summary: "One corpus" },
  { method: "delete", path: "/v1/corpora/{id}", summary: "Delete a corpus" },
  { method: "get", path: "/v1/corpora/{id}/files", summary: "Its files" },
  { method: "post", path: "/v1/corpora/{id}/files", summary: "Put files in", body: addFile, form: true },
  { method: "delete", path: "/v1/corpora/{id}/files/{name}", summary: "Take a file out" },
  { method: "post", path: "/v1/corpora/{id}/search", summary: "Find passages", body: searchRequest },
  { method: "post", path: "/v1/corpora/{id}/ask", summary: "Answer with citations", body: askRequest },
  { method: "get", path: "/v1/corpora/{id}/source", summary: "Lines of a file" },
  { method: "get", path: "/v1/corpora/{id}/map", summary: "Its topics, as a tree" },
  { method: "get", path: "/v1/corpora/{id}/events", summary: "How indexing goes on, as events" },
  { method: "get", path: "/v1/jobs", summary: "Jobs on the queue" },
  {
    method: "post",
    path: "/v1/jobs",
    summary: "Have workers index or read a corpus, or answer a batch",
    body: jobRequest,
  },
  { method: "get", path: "/v1/jobs/{id}", summary: "One job, with its result" },
  { method: "delete", path: "/v1/jobs/{id}", summary: "Cancel a job" },
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

const formSchema = {
  type: "object",
  properties: { file: { type: "string", format: "binary" }, purpose: { type: "string" } },
  required: ["file"],
};

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
    ...(body === undefined && form !== true
      ? {}
      : {
          requestBody: {
            required: true,
            content: {
              ...(body === undefined ? {} : json(z.toJSONSchema(body, { io: "input", unrepresentable: "any" }))),
              ...(form === true ? { "multipart/form-data": { schema: formSchema } } : {}),
            },
          },
        }),
    responses: { 200: { description: "Done" }, default: problem },
  };
}

function json(schema: object): object {
  return { "application/json": { schema } };
}
