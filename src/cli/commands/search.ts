import { type Command, Option } from "commander";
import type { Candidate, SearchMode } from "../../corpus/select/selector.js";
import { QuireError } from "../../errors.js";
import type { LanguageModel } from "../../programs/language-model.js";
import { lines, oneLine } from "../layout.js";
import { checkFolder, openFolder } from "../open-folder.js";
import { openChunkingModel } from "../open-model.js";
import {
  type CorpusFlags,
  corpusOptions,
  examples,
  type ModelFlags,
  modelOptions,
  number,
  outputOptions,
} from "../options.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire search`: the passages of a folder that come nearest to a query. */

interface Flags extends CorpusFlags, ModelFlags {
  readonly k: number;
  readonly mode: SearchMode;
}

export function define(command: Command): void {
  command
    .description("Finds passages by words and by meaning. A language model is used only where the chunker asks one.")
    .argument("<folder>", "folder (or file)")
    .argument("<query>", "what to look for, in quotes")
    .addOption(number("-k <n>", "how many passages", "QUIRE_K", { least: 1, most: 1000, whole: true }).default(10))
    .addOption(
      new Option("--mode <mode>", "by words, by meaning, or both")
        .choices(["hybrid", "text", "vector"])
        .default("hybrid"),
    );
  modelOptions(corpusOptions(command));
  examples(outputOptions(command), [
    'quire search ./docs "retention period"',
    'quire search ./src "where are retries counted" --mode vector -k 5',
    'quire search ./docs "backup" --json',
  ]);
  command.action(start(run));
}

async function run(session: Session, folder: string, query: string, flags: Flags): Promise<void> {
  if (query.trim() === "") throw new QuireError("bad-input", "The query is empty.", { expected: "words to look for" });
  await checkFolder(folder, flags);
  const opened = await openChunkingModel(session, flags);
  try {
    await find(session, folder, query, flags, opened?.model);
  } finally {
    await opened?.close();
  }
}

async function find(
  session: Session,
  folder: string,
  query: string,
  flags: Flags,
  model: LanguageModel | undefined,
): Promise<void> {
  const corpus = await openFolder(session, folder, flags, { model });
  try {
    const started = performance.now();
    const found = await corpus.search(query, { k: flags.k, mode: flags.mode, signal: session.signal });
    const seconds = (performance.now() - started) / 1000;
    if (session.json) session.result({ query, mode: flags.mode, results: found.map(asData), seconds });
    else if (found.length === 0) session.line("Nothing was found.");
    else write(session, found);
  } finally {
    await corpus.close();
  }
}

function asData({ chunk, score }: Candidate): object {
  const { uri, startLine, endLine, startByte, endByte, header, text } = chunk;
  return { file: uri, startLine, endLine, startByte, endByte, score, header, text };
}

function write(session: Session, found: readonly Candidate[]): void {
  const { style } = session;
  found.forEach(({ chunk, score }, i) => {
    const { uri, startLine, endLine, header, text } = chunk;
    const number = `[${i + 1}]`;
    const place = style.bold(`${uri}:${lines(startLine, endLine)}`);
    session.line(`${style.cyan(number)} ${place}  ${style.dim(`score ${score.toPrecision(3)}`)}`);
    if (header.trim() !== "")
      session.line(`    ${style.dim(oneLine(header.trim().replace(/\n+/g, " › "), session.columns - 4))}`);
    session.line(`    ${oneLine(text, session.columns - 4)}`);
  });
}
