import { walk } from "../corpus/walk.js";
import type { Corpus } from "../corpus-session.js";
import { isQuireError } from "../errors.js";
import { partOf } from "../methods.js";
import type { LanguageModel } from "../programs/language-model.js";
import { showOpening } from "./open-model.js";
import { type CorpusFlags, isOffline, type ModelFlags } from "./options.js";
import type { Session } from "./session.js";

/** The folder a command works on, indexed as far as it changed. */

export interface FolderOptions {
  readonly model?: LanguageModel;
  readonly selector?: string;
  readonly keepIndex?: boolean;
}

export async function openFolder(
  session: Session,
  folder: string,
  flags: CorpusFlags & Pick<ModelFlags, "threads" | "offline">,
  { model, selector, keepIndex }: FolderOptions = {},
): Promise<Corpus> {
  const { openCorpus } = await import("../corpus-session.js");
  const corpus = await openCorpus(folder, {
    model,
    selector,
    keepIndex,
    embedder: flags.embedder,
    chunker: flags.chunker,
    files: { include: flags.include, exclude: flags.exclude },
    threads: flags.threads,
    offline: isOffline(flags),
    signal: session.signal,
    onOpen: (progress) => showOpening(session, progress),
    onNotice: (notice) => session.warn(notice),
    onProgress: ({ phase, done, total, uri }) => {
      const verb = phase === "scan" ? "Scanning" : phase === "index" ? "Indexing" : "Tidying";
      session.progress.show({ phase: verb, name: uri, done, total, unit: "files" });
    },
  }).catch((error: unknown) => {
    throw sayWhatIsKept(session, error);
  });
  session.progress.clear();
  return corpus;
}

/** A stopped update loses nothing, and people should not have to wonder. */
export function sayWhatIsKept(session: Session, error: unknown): unknown {
  session.progress.clear();
  if (isQuireError(error) && error.code === "cancelled")
    session.hint("What is indexed stays; the next run goes on from there.");
  return error;
}

/** Fails early, before a model is fetched, where the folder is missing or holds nothing, or a part's name is wrong. */
export async function checkFolder(folder: string, flags: CorpusFlags, selector?: string): Promise<void> {
  if (flags.chunker !== undefined) await partOf("chunker", flags.chunker);
  if (selector !== undefined) await partOf("selector", selector);
  for await (const entry of walk(folder, { include: flags.include, exclude: flags.exclude })) {
    if (entry.kind === "file") return;
  }
}
