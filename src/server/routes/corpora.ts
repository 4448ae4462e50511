import type { Hono } from "hono";
import { z } from "zod";
import { asApiError, badRequest } from "../http/api-error.js";
import { readJson } from "../http/body.js";
import { eventStream } from "../http/event-stream.js";
import { isForm, readForm } from "../http/form.js";
import type { CorpusEvent, HostedCorpus } from "../library/hosted-corpus.js";
import { readOnly } from "../library/read-only.js";
import type { AppContext, AppEnv, Service } from "../service.js";

/** /v1/corpora: what there is, its files, its sources, its map, and how indexing goes on. Asking and searching: `ask.ts`. */

export const createCorpus = z.object({ name: z.string().min(1).max(200) });
export const addFile = z.object({ file_id: z.string() });

export function corpusRoutes(app: Hono<AppEnv>, service: Service): void {
  const { library, settings } = service;
  const corpusOf = (context: AppContext): HostedCorpus => {
    return library.get(context.get("caller"), context.req.param("id") ?? "");
  };

  app.get("/v1/corpora", (context) => {
    return context.json({ object: "list", data: library.list(context.get("caller")).map(asData) });
  });

  app.post("/v1/corpora", async (context) => {
    const { name } = await readJson(context, createCorpus, settings.maxBodyBytes);
    return context.json(asData(await library.create(context.get("caller"), name)));
  });

  app.get("/v1/corpora/:id", (context) => context.json(asData(corpusOf(context))));

  app.delete("/v1/corpora/:id", async (context) => {
    const corpus = corpusOf(context);
    if (corpus.readOnly) throw readOnly(corpus.record.name);
    await library.remove(corpus);
    return context.json({ id: corpus.record.id, object: "corpus", deleted: true });
  });

  app.get("/v1/corpora/:id/files", (context) => context.json({ object: "list", data: corpusOf(context).files() }));

  app.post("/v1/corpora/:id/files", async (context) => {
    const corpus = corpusOf(context);
    if (corpus.readOnly) throw readOnly(corpus.record.name);
    const sent = isForm(context.req.raw)
      ? (await readForm(context.req.raw, settings.maxUploadBytes)).files
      : [await knownFile(context, service)];
    const data = [];
    for (const file of sent) data.push(await corpus.add(file));
    return context.json({ object: "list", data });
  });

  app.delete("/v1/corpora/:id/files/:name{.+}", async (context) => {
    const corpus = corpusOf(context);
    const name = context.req.param("name");
    await corpus.removeFile(name);
    return context.json({ id: name, object: "corpus.file", deleted: true });
  });

  app.get("/v1/corpora/:id/source", async (context) => {
    const corpus = corpusOf(context);
    const file = context.req.query("file");
    if (file === undefined || file === "") throw badRequest("file: It is missing.", "file");
    const start = lineOf(context, "start", 1);
    const end = lineOf(context, "end", start + 199);
    if (end < start) throw badRequest("end: It lies before start.", "end");
    return context.json({ file, ...(await corpus.source(file, start, end, context.req.raw.signal)) });
  });

  app.get("/v1/corpora/:id/map", async (context) => context.json(await corpusOf(context).map()));

  app.get("/v1/corpora/:id/events", (context) => {
    const corpus = corpusOf(context);
    return eventStream(
      (events, gone) =>
        new Promise((resolve) => {
          const tell = ({ type, ...rest }: CorpusEvent): void => void events.json(rest, type);
          if (corpus.status === "indexing") tell(corpus.lastEvent ?? { type: "indexing", done: 0 });
          else if (corpus.status === "ready") tell({ type: "ready", chunks: corpus.chunks });
          else tell({ type: "error", message: corpus.problem ?? "" });
          const stop = corpus.events.add(tell);
          gone.addEventListener("abort", () => {
            stop();
            resolve();
          });
        }),
      { onError: (error, events) => events.json(asApiError(error), "error") },
    );
  });
}

async function knownFile(context: AppContext, { library, settings }: Service) {
  const { file_id: id } = await readJson(context, addFile, settings.maxBodyBytes);
  const record = library.files.get(context.get("caller"), id);
  return { name: record.name, bytes: await library.files.content(record) };
}

function lineOf(context: AppContext, name: string, otherwise: number): number {
  const text = context.req.query(name);
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw badRequest(`${name}: It must be a line number.`, name);
}

function asData(corpus: HostedCorpus) {
  const { record, status, chunks, problem } = corpus;
  const files = corpus.files();
  const count = (wanted: string): number => files.filter((file) => file.status === wanted).length;
  return {
    id: record.id,
    object: "corpus",
    name: record.name,
    created_at: record.created_at,
    status,
    ...(problem === undefined ? {} : { problem }),
    file_counts: {
      total: files.length,
      completed: count("completed"),
      failed: count("failed"),
      in_progress: count("in_progress"),
    },
    chunks,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    read_only: corpus.readOnly,
  };
}
