import { type Command, Option } from "commander";
import type { UpdateResult } from "../../corpus/index/update.js";
import type { LanguageModel } from "../../programs/language-model.js";
import { count, seconds } from "../layout.js";
import { checkFolder, openFolder, sayWhatIsKept } from "../open-folder.js";
import { openChunkingModel } from "../open-model.js";
import { type CorpusFlags, corpusOptions, examples, type ModelFlags, modelOptions, outputOptions } from "../options.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire index`: brings the index of a folder up to date, and says what it found. */

interface Flags extends CorpusFlags, ModelFlags {
  readonly rebuild?: boolean;
  readonly verify?: boolean;
}

export function define(command: Command): void {
  command
    .description("Indexes a folder, as far as it changed. `ask` and `search` do this themselves.")
    .argument("<folder>", "folder (or file)");
  modelOptions(corpusOptions(command))
    .addOption(new Option("--rebuild", "throw the index away first"))
    .addOption(new Option("--verify", "compare the bytes of all files, also where size and time are as before"));
  examples(outputOptions(command), [
    "quire index ./docs",
    'quire index . --include "**/*.md" --exclude "drafts/**"',
    "quire index ./docs --rebuild --chunker sentence --json",
    "quire index ./docs --chunker meta-chunking:by=perplexity,tokens=200",
  ]);
  command.action(start(run));
}

async function run(session: Session, folder: string, flags: Flags): Promise<void> {
  await checkFolder(folder, flags);
  const opened = await openChunkingModel(session, flags);
  try {
    await update(session, folder, flags, opened?.model);
  } finally {
    await opened?.close();
  }
}

async function update(session: Session, folder: string, flags: Flags, model: LanguageModel | undefined): Promise<void> {
  const corpus = await openFolder(session, folder, flags, { model, keepIndex: true });
  try {
    const { rebuild, verify } = flags;
    const result = await corpus.update({ rebuild, verify, signal: session.signal }).catch((error: unknown) => {
      throw sayWhatIsKept(session, error);
    });
    session.progress.clear();
    const stats = await corpus.index.stats();
    if (session.json) session.result({ ...result, index: { folder: corpus.index.indexFolder, ...stats } });
    else write(session, result, stats);
  } finally {
    await corpus.close();
  }
}

function write(
  session: Session,
  result: UpdateResult,
  stats: { chunks: number; chunksWithVectors: number; embeddingModel: string | undefined },
): void {
  const { style } = session;
  const { added, changed, removed, unchanged, skipped, documents } = result;
  const vectors =
    stats.chunksWithVectors > 0 ? `vectors of ${stats.embeddingModel?.replace(/@.*$/, "")}` : "words only";
  session.line(`${count(documents, "document")}, ${count(stats.chunks, "passage")}, ${vectors}.`);
  session.line(
    `${added.length} added, ${changed.length} changed, ${removed.length} removed, ${unchanged} unchanged, in ${seconds(result.seconds)}.`,
  );
  const reasons = new Map<string, string[]>();
  for (const { reason, uri } of skipped) reasons.set(reason, [...(reasons.get(reason) ?? []), uri]);
  for (const [reason, files] of [...reasons].sort((a, b) => b[1].length - a[1].length)) {
    const some = files.slice(0, 3).join(", ");
    session.line(
      style.dim(`Skipped, ${reason.replace(/-/g, " ")}: ${files.length} (${some}${files.length > 3 ? ", …" : ""})`),
    );
  }
}
