import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { z } from "zod";
import type { Corpus } from "../corpus-session.js";
import { isQuireError, QuireError } from "../errors.js";

/** A corpus as tools of the Model Context Protocol: search, ask, read. Texts come with their places, so that the reader can go there. */

export interface McpCorpus {
  readonly corpus: Corpus;
  /** Without a model `ask` quotes the documents themselves. */
  readonly hasModel: boolean;
  /** Files that are indexed; nothing else can be read. */
  files(): Promise<ReadonlySet<string>>;
}

export interface McpOptions extends McpCorpus {
  readonly version: string;
}

const usualHits = 8;
const usualLines = 200;
const mostLines = 2000;

export function createMcpServer({ corpus, hasModel, files, version }: McpOptions): McpServer {
  const server = new McpServer({ name: "quire", version });

  server.registerTool(
    "search",
    {
      title: "Search the documents",
      description: "Finds passages of the documents by words and meaning. Gives file, lines and text of each.",
      inputSchema: {
        query: z.string().min(1).describe("what to look for"),
        limit: z.int().min(1).max(50).optional().describe(`how many passages; default ${usualHits}`),
      },
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ query, limit }, { signal }) =>
      answering(async () => {
        const found = await corpus.search(query, { k: limit ?? usualHits, signal });
        if (found.length === 0) return "Nothing was found.";
        return found
          .map(({ chunk }) => `${chunk.uri}:${chunk.startLine}-${chunk.endLine}\n${chunk.text.trim()}`)
          .join("\n\n---\n\n");
      }),
  );

  server.registerTool(
    "ask",
    {
      title: "Ask the documents",
      description: hasModel
        ? "Answers a question from the documents by a local model, with numbered citations and the places they stand at."
        : "Quotes the sentences of the documents that come nearest to an answer, with the places they stand at.",
      inputSchema: { question: z.string().min(1).describe("the question") },
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ question }, { signal }) =>
      answering(async () => {
        const { answer, evidence, unsupported } = await corpus.ask(question, { signal });
        const shown = unsupported ? evidence.slice(0, 3) : evidence.filter(({ cited }) => cited);
        const places = shown.map((one) => {
          return `[${one.n}] ${one.file}:${one.startLine}-${one.endLine}\n${one.quote.trim()}`;
        });
        return [answer, ...places].join("\n\n");
      }),
  );

  server.registerTool(
    "read",
    {
      title: "Read a document",
      description: "Lines of one file of the documents, by the numbers that search and ask give.",
      inputSchema: {
        file: z.string().min(1).describe("as search names it"),
        start_line: z.int().min(1).optional().describe("default 1"),
        end_line: z.int().min(1).optional().describe(`default ${usualLines} lines on; at most ${mostLines}`),
      },
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ file, start_line: start = 1, end_line: end = start + usualLines - 1 }, { signal }) =>
      answering(async () => {
        if (!(await files()).has(file)) {
          throw new QuireError("not-found", `There is no ${file}.`, { fix: "Use a name that search gives." });
        }
        const { text } = await corpus.index.document(file, signal);
        const all = text.split(/\r\n|\n|\r/);
        const last = Math.min(end, start + mostLines - 1, all.length);
        const lines = all.slice(start - 1, last);
        return `${file}, lines ${start} to ${last} of ${all.length}\n${lines.join("\n")}`;
      }),
  );
  return server;
}

/** Errors are told to the caller, which can do better; they are no failure of the protocol. */
async function answering(work: () => Promise<string>) {
  try {
    return { content: [{ type: "text" as const, text: await work() }] };
  } catch (error) {
    const fix = isQuireError(error) && error.fix !== undefined ? ` ${error.fix}` : "";
    const text = `${error instanceof Error ? error.message : String(error)}${fix}`;
    return { isError: true, content: [{ type: "text" as const, text }] };
  }
}
