import type { Hono } from "hono";
import { maySee } from "../access/caller.js";
import { asApiError, notFound } from "../http/api-error.js";
import { eventStream } from "../http/event-stream.js";
import type { Run } from "../requests/runs.js";
import type { AppEnv, Service } from "../service.js";
import type { UsageFigure } from "../usage-privacy.js";

/** How the server is: health, metrics, what runs, and what every pass of the engine carries. */

export function stateRoutes(app: Hono<AppEnv>, service: Service): void {
  const { engine, runs, metrics } = service;

  app.get("/health", (context) => {
    if (service.draining) return context.json({ status: "draining" }, 503, { "retry-after": "5" });
    if (engine.state !== "ready") return context.json({ status: engine.state }, 503, { "retry-after": "2" });
    return context.json({ status: "ok" });
  });

  app.get("/metrics", async () => {
    return new Response(await metrics.text(), { headers: { "content-type": metrics.contentType } });
  });

  app.get("/v1/usage", (context) => {
    if (service.usage === undefined) {
      throw notFound("This server counts no usage. Start it with --usage-privacy epsilon=1,horizon=365d.");
    }
    const { window, requests, tokens, documents, ...rest } = service.usage.report();
    const figures = (list: readonly UsageFigure[]) =>
      list.map(({ name, value, error95 }) => ({ name, value, error_95: error95 }));
    return context.json({
      object: "usage",
      ...rest,
      window: { start: window.start, end: window.end, as_of: window.asOf },
      ...{ requests: figures(requests), tokens: figures(tokens), documents: figures(documents) },
    });
  });

  app.get("/v1/server", (context) => {
    const { device, threads, contextTokens, schedule, embedder } = engine.info;
    return context.json({
      version: service.version,
      model: service.settings.names[0],
      device,
      threads,
      context_tokens: contextTokens,
      schedule,
      uptime_seconds: Math.round((Date.now() - service.startedAt) / 1000),
      engine: { state: engine.state, restarts: engine.restarts },
      embedder: embedder?.name ?? null,
      parallel: service.settings.parallel,
      running: service.queue.running,
      waiting: service.queue.waiting,
      usage_counted: service.usage !== undefined,
    });
  });

  app.get("/v1/requests", (context) => {
    const caller = context.get("caller");
    return context.json({ object: "list", data: runs.all.filter((run) => maySee(caller, run.user)).map(asData) });
  });

  app.delete("/v1/requests/:id", (context) => {
    const id = context.req.param("id");
    const caller = context.get("caller");
    // A request can be several generations: its own and those that go by its name.
    const own = runs.all.filter((run) => run.id === id || run.id.startsWith(`${id}-`) || run.id.startsWith(`${id}.`));
    const mine = own.filter((run) => maySee(caller, run.user));
    if (mine.length === 0) throw notFound(`There is no request ${id} at work.`);
    for (const run of mine) run.cancel();
    return context.json({ id, object: "request", deleted: true });
  });

  app.get("/v1/scheduler/events", (context) => {
    const caller = context.get("caller");
    return eventStream(
      (events, gone) =>
        new Promise((resolve) => {
          const stop = engine.onPass((pass) => {
            const { at, ms, decodeRows, slices, waiting, running, cacheBytes, cacheLimitBytes } = pass;
            void events.json(
              {
                ...{ at, ms, decode_rows: decodeRows },
                // Others' requests are shown as work, not as whose.
                slices: slices.map((slice) =>
                  maySee(caller, slice.user) ? slice : { request: "", user: "", rows: slice.rows },
                ),
                ...{ waiting: waiting + service.queue.waiting, running },
                ...{ cache_bytes: cacheBytes, cache_limit_bytes: cacheLimitBytes },
              },
              "pass",
            );
          });
          gone.addEventListener("abort", () => {
            stop();
            resolve();
          });
        }),
      { onError: (error, events) => events.json(asApiError(error), "error") },
    );
  });
}

function asData({ id, user, state, promptTokens, completionTokens, cachedTokens, cache, startedAt }: Run) {
  return {
    ...{ id, object: "request", user, state },
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    cached_tokens: cachedTokens,
    cache,
    started_at: Math.floor(startedAt / 1000),
  };
}
