import { type Command, Option } from "commander";
import { isQuireError, QuireError } from "../../errors.js";
import type { AskOutput } from "../../programs/ask.js";
import type { AnswerEvidence } from "../../programs/ask-evidence.js";
import { count, seconds } from "../layout.js";
import { checkFolder, openFolder } from "../open-folder.js";
import { type OpenedModel, openModelIfAny } from "../open-model.js";
import {
  type CorpusFlags,
  corpusOptions,
  examples,
  type GenerationFlags,
  generationOptions,
  type ModelFlags,
  modelOptions,
  number,
  outputOptions,
} from "../options.js";
import type { Session } from "../session.js";
import { writeReasons, writeSources } from "../sources.js";
import { start } from "../start.js";

/** `quire ask`: an answer from a folder, streamed, with the places it rests on. */

interface Flags extends Omit<ModelFlags, "model">, GenerationFlags, CorpusFlags {
  /** False after --no-model. */
  readonly model?: string | false;
  readonly selector?: string;
  readonly budget?: number;
  readonly passages?: number;
  readonly explain?: boolean;
  readonly scope?: string;
}

export function define(command: Command): void {
  command
    .description("Answers a question from the files of a folder, with numbered citations that are checked.")
    .argument("<folder>", "folder (or file) with the documents")
    .argument("<question>", "the question, in quotes");
  modelOptions(command).addOption(new Option("--no-model", "quote the best passages, no model"));
  corpusOptions(command)
    .addOption(
      new Option("--selector <selector>", "how passages are chosen, as mmr or corag:iterations=20").env(
        "QUIRE_SELECTOR",
      ),
    )
    .addOption(number("--budget <tokens>", "most tokens of evidence", "QUIRE_BUDGET", { least: 50, whole: true }))
    .addOption(number("--passages <n>", "most passages", "QUIRE_PASSAGES", { least: 1, most: 50, whole: true }))
    .addOption(new Option("--scope <topic>", "only this topic of the map: its name or part of it, see `quire map`"))
    .addOption(new Option("--explain", "say why each passage was chosen"));
  generationOptions(command);
  examples(outputOptions(command), [
    'quire ask ./docs "Which settings survive a restart?"',
    'quire ask ./src "Where are retries counted?" --explain',
    'quire ask ./contracts "Which notice period applies?" --selector meteora:verify=true --explain',
    'quire ask ./docs "What is kept on disk?" --scope "cache"',
    'quire ask ./docs "Who may approve a release?" --base-url http://127.0.0.1:8000/v1 --json',
  ]);
  command.action(start(run));
}

async function run(session: Session, folder: string, question: string, flags: Flags): Promise<void> {
  if (question.trim() === "") {
    throw new QuireError("bad-input", "The question is empty.", { expected: "a question in quotes" });
  }
  await checkFolder(folder, flags, flags.selector);
  const { model: named, ...rest } = flags;
  const opened = named === false ? undefined : await openModelIfAny(session, { ...rest, model: named });
  try {
    const corpus = await openFolder(session, folder, rest, { model: opened?.model, selector: flags.selector });
    try {
      await answer(session, corpus, question, flags, opened);
    } finally {
      await corpus.close();
    }
  } finally {
    await opened?.close();
  }
}

async function answer(
  session: Session,
  corpus: Awaited<ReturnType<typeof openFolder>>,
  question: string,
  flags: Flags,
  opened: OpenedModel | undefined,
): Promise<void> {
  let evidence: readonly AnswerEvidence[] = [];
  let said = "";
  const asked = corpus.ask(question, {
    ask: { evidence: flags.budget, passages: flags.passages, answer: flags.maxTokens },
    scope: flags.scope,
    seed: flags.seed,
    signal: session.signal,
    onText: (piece) => {
      said += piece;
      session.text(piece);
    },
    onEvent: (event) => {
      if (event.type === "evidence-found") evidence = event.evidence;
    },
  });
  const output = await asked.catch((error: unknown) => {
    throw withWhatIsThere(session, error, said, evidence);
  });
  session.endText();
  // What stood in for what failed is told without --explain as well.
  for (const { kind, text } of output.selection) if (kind === "fallback") session.warn(text);
  if (session.json) {
    session.result({ ...output, ...(session.notices.length > 0 ? { notices: session.notices } : {}) });
    return;
  }
  writeSources(session, output.evidence, output.unsupported);
  if (flags.explain) writeReasons(session, output.evidence, output.selection);
  session.hint(`\n${closing(output, opened)}`);
}

/** Stopped half way: the answer so far stays on the screen with its passages, and in the error for --json. */
function withWhatIsThere(session: Session, error: unknown, said: string, evidence: readonly AnswerEvidence[]): unknown {
  if (!isQuireError(error)) return error;
  if (!session.json) {
    session.endText();
    if (said !== "") writeSources(session, evidence, false);
    return error;
  }
  const { code, message, got, expected, fix } = error;
  return new QuireError(code, message, { got, expected, fix, cause: error, partial: { answer: said, evidence } });
}

function closing(output: AskOutput, opened: OpenedModel | undefined): string {
  const { promptTokens, completionTokens, seconds: took } = output.usage;
  if (opened === undefined || output.model === undefined) return `No model answered. ${seconds(took)}.`;
  const tokens = `${count(promptTokens, "token")} read, ${completionTokens} written`;
  const how =
    output.answeredBy === "quotation"
      ? " The answer is the documents' own sentence: the model's words were not in them."
      : "";
  return `Answered by ${opened.where}. ${tokens}, ${seconds(took)}.${how}`;
}
