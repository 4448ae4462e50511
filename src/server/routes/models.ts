import type { Hono } from "hono";
import { notFound } from "../http/api-error.js";
import type { AppEnv, Service } from "../service.js";

/** GET /v1/models and /v1/models/:id */

export function modelRoutes(app: Hono<AppEnv>, service: Service): void {
  app.get("/v1/models", (context) => context.json({ object: "list", data: listed(service) }));
  app.get("/v1/models/:id{.+}", (context) => {
    const id = context.req.param("id");
    const found = listed(service).find((model) => model.id === id);
    if (found === undefined) throw notFound(`The model "${id}" is not served here.`, "model_not_found", "model");
    return context.json(found);
  });
}

function listed({ settings, engine, startedAt }: Service) {
  const { contextTokens, parameters, embedder } = engine.info;
  const created = Math.floor(startedAt / 1000);
  const frame = { object: "model", created, owned_by: "quire" };
  const chat = settings.names.map((id) => ({
    ...{ id, ...frame },
    kind: "chat",
    max_model_len: contextTokens,
    parameters,
  }));
  if (embedder === undefined) return chat;
  const { name: id, dimensions, maxTokens } = embedder;
  return [...chat, { id, ...frame, kind: "embedding", max_model_len: maxTokens, dimensions }];
}
