import { Hono, type MiddlewareHandler } from "hono";
import { gate } from "./access/gate.js";
import { ApiError, asApiError, notFound } from "./http/api-error.js";
import { securityHeaders } from "./http/security-headers.js";
import { openApiRoutes } from "./openapi.js";
import { askRoutes } from "./routes/ask.js";
import { chatRoutes } from "./routes/chat.js";
import { completionRoutes } from "./routes/completions.js";
import { corpusRoutes } from "./routes/corpora.js";
import { embeddingRoutes } from "./routes/embeddings.js";
import { fileRoutes } from "./routes/files.js";
import { jobRoutes } from "./routes/jobs.js";
import { methodRoutes } from "./routes/methods.js";
import { modelRoutes } from "./routes/models.js";
import { pageRoutes } from "./routes/page.js";
import { responseRoutes } from "./routes/responses.js";
import { stateRoutes } from "./routes/state.js";
import { tokenRoutes } from "./routes/tokens.js";
import { watchRoutes } from "./routes/watch.js";
import type { AppEnv, Service } from "./service.js";

/** All routes as one function from request to response. It listens to nothing: `listen.ts` puts it on a port, tests call it. */

export function createApp(service: Service): Hono<AppEnv> {
  const app = new Hono<AppEnv>({ strict: false });

  app.onError((error, context) => {
    const known = asApiError(error);
    service.metrics.onRequest(routeName(context.req.path), known.status);
    return answerError(known);
  });
  app.notFound((context) => {
    throw notFound(`There is no ${context.req.method} ${context.req.path}.`, "unknown_url");
  });

  app.use(securityHeaders);
  app.use(traced(service));
  app.use(gate(service));
  app.use(async (context, next) => {
    if (service.draining && context.req.method === "POST") {
      throw new ApiError(503, "The server is shutting down.", { code: "draining", headers: { "retry-after": "5" } });
    }
    await next();
    if (context.error === undefined) service.metrics.onRequest(routeName(context.req.path), context.res.status);
  });

  stateRoutes(app, service);
  modelRoutes(app, service);
  chatRoutes(app, service);
  completionRoutes(app, service);
  responseRoutes(app, service);
  embeddingRoutes(app, service);
  tokenRoutes(app, service);
  watchRoutes(app, service);
  methodRoutes(app);
  fileRoutes(app, service);
  corpusRoutes(app, service);
  askRoutes(app, service);
  jobRoutes(app, service);
  openApiRoutes(app, service);
  pageRoutes(app, service);
  return app;
}

/** A stream's span ends when it begins; the generations in it have spans of their own. */
function traced({ tracer }: Service): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    if (tracer === undefined || context.req.method !== "POST") return next();
    const route = routeName(context.req.path);
    await tracer.inRequest(`POST ${route}`, context.req.header("traceparent"), async (span) => {
      await next();
      const { status } = context.res;
      const attributes = { "http.request.method": "POST", "http.route": route, "http.response.status_code": status };
      span.end(attributes, status >= 500 ? String(status) : undefined);
    });
  };
}

function answerError(error: ApiError): Response {
  // 499 is how proxies log a client that left; it never reaches one.
  return Response.json(error, { status: error.status, headers: error.headers });
}

/** Routes are few and their names known, so that no caller can fill the metrics with made-up paths. */
function routeName(path: string): string {
  const [, version, first = "", , third] = path.split("/");
  if (version !== "v1") return ["", "health", "metrics", "assets"].includes(version ?? "") ? `/${version}` : "other";
  if (!known.has(first)) return "other";
  if (first === "chat") return "/v1/chat/completions";
  return third !== undefined && parts.has(third) ? `/v1/${first}/${third}` : `/v1/${first}`;
}

const known = new Set(
  "models chat completions responses embeddings tokenize detokenize server methods requests scheduler files corpora jobs".split(
    " ",
  ),
);
const parts = new Set("search ask source map events files".split(" "));
