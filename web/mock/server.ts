import { existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chat } from "./chat.js";
import { answerFrom, describe, filesOf, firstCorpora, index, newCorpus } from "./corpora.js";
import { EngineSimulation } from "./engine-simulation.js";
import { mapOf, searchPieces } from "./folder-corpus.js";
import { bodyOf, fail, formOf, json } from "./http.js";
import { inspect, watch } from "./inside.js";
import { methods, models, serverState, usage } from "./server-facts.js";
import { beginStream, gone, pause, sendEvent } from "./streaming.js";

/** A server that speaks Quire's HTTP interface with fixed answers, to build and test the page without a model. */

export interface MockOptions {
  /** Milliseconds between two pieces of text. */
  readonly pace?: number;
  /** Milliseconds between two forward passes. */
  readonly passMs?: number;
  /** When set, requests without this key get a 401. */
  readonly key?: string;
}

const page = fileURLToPath(new URL("../../dist/web/", import.meta.url));
const contentTypes: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

type Handler = (request: IncomingMessage, response: ServerResponse, parts: string[], query: URLSearchParams) => unknown;

export function createMockServer({ pace = 18, passMs = 60, key }: MockOptions = {}): Server {
  const engine = new EngineSimulation(passMs);
  const corpora = firstCorpora();
  const started = Date.now();

  const corpusOr404 = (response: ServerResponse, id: string | undefined) => {
    const corpus = corpora.get(id ?? "");
    if (corpus === undefined) fail(response, 404, `There is no corpus ${id}.`, "corpus_not_found");
    return corpus;
  };

  const routes: [method: string, pattern: RegExp, handler: Handler][] = [
    ["GET", /^\/health$/, (_, response) => json(response, { status: "ok" })],
    ["GET", /^\/v1\/server$/, (_, response) => json(response, serverState(started))],
    ["GET", /^\/v1\/usage$/, (_, response) => json(response, { object: "usage", ...usage })],
    ["GET", /^\/v1\/models$/, (_, response) => json(response, { object: "list", data: models })],
    ["GET", /^\/v1\/methods$/, (_, response) => json(response, { data: methods })],
    ["POST", /^\/v1\/chat\/completions$/, (request, response) => chat(request, response, pace)],
    ["POST", /^\/v1\/decoders\/watch$/, (request, response) => watch(request, response, pace)],
    ["POST", /^\/v1\/cache\/inspect$/, (request, response) => inspect(request, response)],
    ["GET", /^\/v1\/requests$/, (_, response) => json(response, { data: engine.requests() })],
    [
      "DELETE",
      /^\/v1\/requests\/([^/]+)$/,
      (_, response, [id]) =>
        engine.cancel(id ?? "")
          ? json(response, { id, deleted: true })
          : fail(response, 404, "That request is over.", "not_found"),
    ],
    [
      "GET",
      /^\/v1\/scheduler\/events$/,
      (_, response) => {
        beginStream(response);
        response.on(
          "close",
          engine.follow((pass) => sendEvent(response, "pass", pass)),
        );
      },
    ],
    ["GET", /^\/v1\/corpora$/, (_, response) => json(response, { data: [...corpora.values()].map(describe) })],
    [
      "POST",
      /^\/v1\/corpora$/,
      async (request, response) => {
        const { name } = (await bodyOf(request)) as { name?: string };
        if (name === undefined || name.trim() === "")
          return fail(response, 400, "A corpus needs a name.", "invalid_name");
        const id = `c${corpora.size + 1}`;
        const corpus = newCorpus(id, name);
        corpora.set(id, corpus);
        json(response, describe(corpus));
      },
    ],
    [
      "GET",
      /^\/v1\/corpora\/([^/]+)$/,
      (_, response, [id]) => {
        const corpus = corpusOr404(response, id);
        if (corpus !== undefined) json(response, describe(corpus));
      },
    ],
    [
      "DELETE",
      /^\/v1\/corpora\/([^/]+)$/,
      (_, response, [id]) => {
        corpora.delete(id ?? "");
        json(response, { id, deleted: true });
      },
    ],
    [
      "GET",
      /^\/v1\/corpora\/([^/]+)\/files$/,
      (_, response, [id]) => {
        const corpus = corpusOr404(response, id);
        if (corpus !== undefined) json(response, { data: filesOf(corpus) });
      },
    ],
    [
      "POST",
      /^\/v1\/corpora\/([^/]+)\/files$/,
      async (request, response, [id]) => {
        const corpus = corpusOr404(response, id);
        if (corpus === undefined) return;
        const form = await formOf(request);
        for (const value of form.values()) {
          if (typeof value === "string") continue;
          const text = await value.text();
          index(corpus, value.name, text.includes("\u0000") ? undefined : text, 350 * (corpus.waiting.length + 1));
        }
        json(response, { data: filesOf(corpus) });
      },
    ],
    [
      "DELETE",
      /^\/v1\/corpora\/([^/]+)\/files\/([^/]+)$/,
      (_, response, [id, name]) => {
        const corpus = corpusOr404(response, id);
        if (corpus === undefined) return;
        const files = new Map(corpus.content.files);
        files.delete(name ?? "");
        corpus.problems.delete(name ?? "");
        corpus.content = { files, pieces: corpus.content.pieces.filter(({ file }) => file !== name) };
        json(response, { name, deleted: true });
      },
    ],
    [
      "POST",
      /^\/v1\/corpora\/([^/]+)\/search$/,
      async (request, response, [id]) => {
        const corpus = corpusOr404(response, id);
        if (corpus === undefined) return;
        const { query, limit } = (await bodyOf(request)) as { query: string; limit?: number };
        const data = searchPieces(corpus.content, query, limit ?? 10).map(({ piece, score }) => ({ ...piece, score }));
        json(response, { data });
      },
    ],
    [
      "POST",
      /^\/v1\/corpora\/([^/]+)\/ask$/,
      async (request, response, [id]) => {
        const corpus = corpusOr404(response, id);
        if (corpus === undefined) return;
        const { question } = (await bodyOf(request)) as { question: string };
        const answer = answerFrom(corpus, question);
        beginStream(response);
        for (let done = 0; done <= 4 && !gone(response); done++) {
          sendEvent(response, "progress", { phase: "choosing passages", done, total: 4 });
          await pause(pace * 4);
        }
        sendEvent(response, "evidence", { evidence: answer.evidence });
        for (const text of answer.answer.match(/\s*\S+/g) ?? []) {
          if (gone(response)) return;
          sendEvent(response, "text", { text });
          await pause(pace * 1.5);
        }
        sendEvent(response, "done", answer);
        response.end();
      },
    ],
    [
      "GET",
      /^\/v1\/corpora\/([^/]+)\/source$/,
      (_, response, [id], query) => {
        const corpus = corpusOr404(response, id);
        if (corpus === undefined) return;
        const file = query.get("file") ?? "";
        const lines = corpus.content.files.get(file);
        if (lines === undefined)
          return fail(response, 404, `There is no file ${file} in this corpus.`, "file_not_found");
        const start = Math.max(1, Number(query.get("start") ?? 1));
        const end = Math.min(lines.length, Number(query.get("end") ?? start + 199));
        json(response, { file, start_line: start, lines: lines.slice(start - 1, end), total_lines: lines.length });
      },
    ],
    [
      "GET",
      /^\/v1\/corpora\/([^/]+)\/map$/,
      (_, response, [id]) => {
        const corpus = corpusOr404(response, id);
        if (corpus !== undefined) json(response, mapOf(corpus.content, corpus.name));
      },
    ],
    [
      "GET",
      /^\/v1\/corpora\/([^/]+)\/events$/,
      (_, response, [id]) => {
        const corpus = corpusOr404(response, id);
        if (corpus === undefined) return;
        beginStream(response);
        const listener = (event: string, data: unknown) => sendEvent(response, event, data);
        corpus.listeners.add(listener);
        response.on("close", () => corpus.listeners.delete(listener));
      },
    ],
  ];

  return createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://mock");
    const isApi = url.pathname.startsWith("/v1/");
    if (isApi && key !== undefined && request.headers.authorization !== `Bearer ${key}`) {
      fail(response, 401, "The key is missing or wrong.", "invalid_api_key");
      return;
    }
    for (const [method, pattern, handler] of routes) {
      const match = request.method === method ? pattern.exec(url.pathname) : null;
      if (match === null) continue;
      const parts = match.slice(1).map(decodeURIComponent);
      Promise.resolve(handler(request, response, parts, url.searchParams)).catch((error: unknown) => {
        if (!response.headersSent) fail(response, 500, String(error), "internal");
        else response.destroy();
      });
      return;
    }
    if (request.method === "GET" && !isApi) servePage(response, url.pathname);
    else fail(response, 404, `${request.method} ${url.pathname} is not known.`, "not_found");
  });
}

function servePage(response: ServerResponse, pathname: string): void {
  const file = path.join(page, pathname === "/" ? "index.html" : path.normalize(pathname));
  if (!file.startsWith(page) || !existsSync(file)) {
    fail(response, 404, "No such file.", "not_found");
    return;
  }
  response.writeHead(200, { "content-type": contentTypes[path.extname(file)] ?? "application/octet-stream" });
  response.end(readFileSync(file));
}
