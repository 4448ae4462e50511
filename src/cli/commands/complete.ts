import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { QuireError } from "../../errors.js";
import type { Answer } from "../../generate-options.js";
import { answerTree, segmentCollector } from "../answer-tree.js";
import { openQuire } from "../open-model.js";
import {
  examples,
  type GenerationFlags,
  generationOptions,
  type ModelFlags,
  modelOptions,
  number,
  outputOptions,
} from "../options.js";
import { readStdin } from "../read-stdin.js";
import type { Session } from "../session.js";
import { start } from "../start.js";
import { WorkerColumns } from "../worker-columns.js";

/** `quire complete`: goes on with a text, without any chat around it; or fits a schema or grammar. */

/** As the library's own. */
const defaultMaxTokens = 512;

interface Flags extends ModelFlags, GenerationFlags {
  readonly stop?: string[];
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly schema?: string;
  readonly grammar?: string;
}

export function define(command: Command): void {
  command
    .description("Goes on with a text. The text itself is not repeated.")
    .argument("<text>", 'the beginning; "-" reads standard input');
  modelOptions(command, { endpoint: false });
  generationOptions(command)
    .addOption(new Option("--stop <text...>", "end before one of these"))
    .addOption(number("--top-k <n>", "draw among the n likeliest tokens", "QUIRE_TOP_K", { least: 0, whole: true }))
    .addOption(number("--top-p <p>", "draw among the likeliest that make up p", "QUIRE_TOP_P", { least: 0, most: 1 }))
    .addOption(
      number("--min-p <p>", "leave out what is below p of the likeliest", "QUIRE_MIN_P", { least: 0, most: 1 }),
    )
    .addOption(new Option("--schema <file>", "JSON schema that the text is forced to fit"))
    .addOption(new Option("--grammar <file>", "GBNF grammar that the text is forced to fit").conflicts("schema"));
  examples(outputOptions(command), [
    'quire complete "The three laws of robotics are" --max-tokens 60',
    'quire complete "def fibonacci(n):" --temperature 0 --stop "\\n\\n"',
    'quire complete "A person as JSON: " --schema person.schema.json --json',
    'quire complete "Ideas for a garden: " --decoder hogwild:workers=2 --max-tokens 80',
    'quire complete "Once upon a time" --decoder treepo:width=8,segment=16 --max-tokens 64',
  ]);
  command.action(start(run));
}

async function run(session: Session, given: string, flags: Flags): Promise<void> {
  const { partOf } = await import("../../methods.js");
  if (flags.cache !== undefined) await partOf("cache", flags.cache);
  const part = flags.decoder === undefined ? undefined : await partOf("decoder", flags.decoder);
  const caution = part?.caution?.(flags.maxTokens ?? defaultMaxTokens);
  if (caution !== undefined) session.warn(caution);
  // Answers that are drawn side by side are shown when they are there, as a tree.
  const isTree = part?.draws === true;
  const names = part?.names;
  const text = given === "-" ? await readStdin(session.signal) : given;
  const schema = flags.schema === undefined ? undefined : parseJson(flags.schema, await textOf(flags.schema));
  const grammar = flags.grammar === undefined ? undefined : await textOf(flags.grammar);
  const quire = await openQuire(session, flags);
  try {
    const { cache, decoder, temperature, seed, maxTokens, topK, topP, minP } = flags;
    const stop = flags.stop?.map((one) => one.replace(/\\n/g, "\n").replace(/\\t/g, "\t"));
    const { segments, watch } = segmentCollector();
    const stream = quire.streamCompletion(text, {
      ...(isTree ? { onDecode: watch } : {}),
      ...{ cache, decoder, temperature, seed, maxTokens, topK, topP, minP, stop, schema, grammar },
      signal: session.signal,
    });
    if (session.interactive) session.text(text);
    const live = names !== undefined && session.interactive && WorkerColumns.fit(names.length, session.columns);
    const columns = live
      ? new WorkerColumns(names, { columns: session.columns, rows: process.stdout.rows ?? 24 })
      : undefined;
    if (live) session.endText();
    for (;;) {
      const next = await stream.next();
      if (next.done === true) {
        session.endText();
        const { tokens, answers, ...rest } = next.value;
        if (session.json) {
          const shown = answers?.map(({ tokens, ...answer }) => answer);
          const notices = session.notices.length > 0 ? { notices: session.notices } : {};
          session.result({
            ...rest,
            ...(shown === undefined ? {} : { answers: shown }),
            ...notices,
            model: quire.name,
          });
        } else if (isTree && answers !== undefined) {
          const decode = (tokens: readonly number[]) => quire.tokenizer.decode(tokens);
          for (const line of answerTree(answers, segments, { columns: session.columns, decode })) session.line(line);
        } else if (names !== undefined) {
          if (columns !== undefined) session.draw(columns.end());
          for (const { name, text } of (answers ?? [rest]).slice(live ? names.length : 0) as Partial<Answer>[]) {
            session.line(session.style.bold(`${name ?? names[0]}:`));
            session.line(text?.trim());
          }
        }
        return;
      }
      if (columns !== undefined) session.draw(columns.push(next.value.channel ?? 0, next.value.text));
      else if (!isTree && names === undefined) session.text(next.value.text);
    }
  } finally {
    await quire.close();
  }
}

async function textOf(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: unknown) => {
    throw new QuireError("not-found", `${file} cannot be read.`, { got: file, expected: "a readable file", cause });
  });
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new QuireError("bad-file", `${file} is not JSON: ${(cause as Error).message}.`, {
      got: file,
      expected: "a JSON schema",
      cause,
    });
  }
}
