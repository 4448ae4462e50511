import { type Command, Option } from "commander";
import { checkFolder, openFolder } from "../open-folder.js";
import { openModelIfAny } from "../open-model.js";
import {
  type CorpusFlags,
  corpusOptions,
  examples,
  type GenerationFlags,
  generationOptions,
  type ModelFlags,
  modelOptions,
} from "../options.js";
import { packageVersion } from "../package-root.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire mcp`: a folder as MCP tools over standard input and output, for editors and assistants that start it themselves. */

interface Flags extends Omit<ModelFlags, "model">, GenerationFlags, CorpusFlags {
  readonly model?: string | false;
}

export function define(command: Command): void {
  command
    .description(
      "Offers a folder as tools (search, ask, read) of the Model Context Protocol on standard input and output.",
    )
    .argument("<folder>", "folder (or file) with the documents");
  modelOptions(command).addOption(new Option("--no-model", "ask quotes the best passages, no model"));
  generationOptions(corpusOptions(command)).addOption(new Option("-q, --quiet", "no warnings"));
  examples(command, [
    "quire mcp ./docs",
    "quire mcp ./docs --no-model",
    "quire mcp ./docs --base-url http://127.0.0.1:8000/v1",
  ]);
  command.action(start(run));
}

async function run(session: Session, folder: string, flags: Flags): Promise<void> {
  await checkFolder(folder, flags);
  const { StdioServerTransport } = await import("@modelcontextprotocol/sdk/server/stdio.js");
  const { createMcpServer } = await import("../../server/mcp-server.js");
  const { indexedFiles } = await import("../../server/library/indexed-files.js");
  const { model: named, ...rest } = flags;
  const opened = named === false ? undefined : await openModelIfAny(session, { ...rest, model: named });
  try {
    const corpus = await openFolder(session, folder, rest, { model: opened?.model });
    try {
      const server = createMcpServer({
        corpus,
        hasModel: opened !== undefined,
        version: packageVersion(),
        files: async () => {
          const rows = await indexedFiles(corpus.index.indexFolder);
          return new Set([...rows].filter(([, { problem }]) => problem === "").map(([uri]) => uri));
        },
      });
      const closed = new Promise<void>((resolve) => {
        server.server.onclose = resolve;
        process.stdin.once("end", resolve);
        session.signal.addEventListener("abort", () => resolve(), { once: true });
      });
      await server.connect(new StdioServerTransport());
      await closed;
      await server.close();
    } finally {
      await corpus.close();
    }
  } finally {
    await opened?.close();
  }
}
