import { type Command, Option } from "commander";
import type { SkippedPath } from "../../corpus/walk.js";
import { isQuireError, QuireError } from "../../errors.js";
import type { ReadOptions, ReadPlan } from "../../programs/read.js";
import type { ReadSessionOptions } from "../../read-session.js";
import { canAsk, confirm } from "../confirm.js";
import { count, seconds } from "../layout.js";
import { checkFolder } from "../open-folder.js";
import { openModel } from "../open-model.js";
import {
  examples,
  type GenerationFlags,
  generationOptions,
  type ModelFlags,
  modelOptions,
  number,
  numberOr,
  outputOptions,
} from "../options.js";
import { openReadLog } from "../read-log.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire read`: everything in a file or folder, part by part, joined level by level. */

export interface Flags extends ModelFlags, GenerationFlags {
  readonly chunker?: string;
  readonly include?: string[];
  readonly exclude?: string[];
  readonly plan?: boolean;
  readonly yes?: boolean;
  readonly fresh?: boolean;
  readonly part?: number | "auto";
  readonly parallel?: number;
  readonly maxCalls?: number;
  /** True, or levels of topics. */
  readonly topics?: boolean | string;
  readonly embedder?: string;
}

/** Calls above which somebody at a terminal is asked first. */
const askAbove = 200;

export function define(command: Command): void {
  command
    .description("Reads all of a file or folder, however long, and does with it what the instruction says.")
    .argument("<path>", "file or folder")
    .argument("<instruction>", 'what to do, as "Summarise", or a question');
  modelOptions(command)
    .addOption(new Option("--plan", "show the tree of calls and its cost, and stop"))
    .addOption(new Option("-y, --yes", `begin without asking, also above ${askAbove} calls`))
    .addOption(new Option("--fresh", "make all calls again, also those of a run that was stopped"))
    .addOption(
      numberOr(
        "auto",
        "--part <tokens>",
        "most tokens read by one call, or auto: as measured of the model",
        "QUIRE_PART",
        {
          least: 50,
          whole: true,
        },
      ),
    )
    .addOption(number("--parallel <n>", "calls at the same time", "QUIRE_PARALLEL", { least: 1, whole: true }))
    .addOption(number("--max-calls <n>", "stop before this many calls", undefined, { least: 1, whole: true }))
    .addOption(
      new Option("--topics [levels]", "answer topic by topic, joined up the tree of `quire map`; needs an index"),
    )
    .addOption(new Option("--embedder <name>", 'for --topics: embedding model, or "none"').env("QUIRE_EMBEDDER"))
    .addOption(
      new Option("--chunker <chunker>", "how documents are cut, as sentence or meta-chunking:by=perplexity").env(
        "QUIRE_CHUNKER",
      ),
    )
    .addOption(new Option("--include <glob...>", "only these files"))
    .addOption(new Option("--exclude <glob...>", "not these files"));
  generationOptions(command);
  examples(outputOptions(command), [
    'quire read book.txt "Summarise"',
    'quire read ./minutes "Which decisions were taken about the budget?" --plan',
    'quire read ./docs "What is promised to users?" --topics',
    'quire read ./minutes "Summarise" --part auto --parallel 4',
    'quire read ./src "List every environment variable." --model qwen3-1.7b --json',
  ]);
  command.action(start(run));
}

async function run(session: Session, target: string, instruction: string, flags: Flags): Promise<void> {
  if (instruction.trim() === "") {
    throw new QuireError("bad-input", "The instruction is empty.", { expected: 'words such as "Summarise"' });
  }
  await checkFolder(target, flags);
  if (flags.topics !== undefined) {
    const { readByTopics } = await import("../read-by-topics.js");
    return readByTopics(session, target, instruction, flags);
  }
  const { planReading, readableText, readThrough } = await import("../../read-session.js");
  const opened = await openModel(session, flags);
  const { model } = opened;
  try {
    const options: ReadSessionOptions & { read: Partial<ReadOptions> } = {
      model,
      chunker: flags.chunker,
      files: { include: flags.include, exclude: flags.exclude },
      signal: session.signal,
      onNotice: (notice: string) => session.warn(notice),
      read: {
        ...(typeof flags.part === "number" ? { part: flags.part } : {}),
        ...(flags.maxTokens === undefined ? {} : { answer: flags.maxTokens }),
      },
    };
    const text = await readableText(target, options);
    warnOfSkipped(session, text.skipped);
    let expectedSeconds: number | undefined;
    if (flags.part === "auto") {
      const { modelSizing } = await import("../model-sizing.js");
      const { sizeReading } = await import("../../programs/read-sizing.js");
      const calibration = await modelSizing(session, model, opened.where);
      const input = { instruction, chunks: text.chunks };
      const sizing = sizeReading(input, model, options.read, { calibration, workers: flags.parallel });
      options.read = { ...options.read, part: sizing.part };
      expectedSeconds = sizing.seconds;
      session.hint(
        `Parts of ${count(sizing.part, "token")}: about ${seconds(sizing.seconds)} by what was measured of ${model.id}.`,
      );
    }
    const plan = planReading(text, instruction, options);
    if (flags.plan) return writePlan(session, plan, model.id, expectedSeconds);
    const { log, remove } = await openReadLog(target, instruction, model.id, flags);
    if (log.size > 0) session.hint(`Going on where an earlier run stopped: ${count(log.size, "call")} done.`);
    session.hint(planLine(plan));
    await askAboveLimit(session, flags, plan.calls - Math.min(log.size, plan.calls), expectedSeconds);
    session.progress.show({ phase: "Reading", done: Math.min(log.size, plan.calls), total: plan.calls, unit: "calls" });
    const started = performance.now();
    const output = await readThrough(text, instruction, {
      ...options,
      log,
      parallel: flags.parallel,
      seed: flags.seed,
      limits: { calls: flags.maxCalls },
      onText: (piece) => session.text(piece),
      onProgress: ({ done, total }) => session.progress.show({ phase: "Reading", done, total, unit: "calls" }),
    })
      .catch((error: unknown) => {
        throw withHowToGoOn(session, error, log.size, plan.calls);
      })
      .finally(() => log.close());
    session.progress.clear();
    session.endText();
    await remove();
    const { trace, ...rest } = output;
    if (session.json) {
      session.result({
        ...rest,
        usage: { ...trace.usage, calls: trace.calls, replayed: trace.replayed },
        model: model.id,
        trace,
      });
      return;
    }
    const { documents, tokens } = output.read;
    const cost = `${count(trace.calls, "call")}, ${count(trace.usage.completionTokens, "token")} written`;
    const took = seconds((performance.now() - started) / 1000);
    session.hint(
      `\nRead ${count(documents, "document")}, ${count(tokens, "token")}, by ${opened.where}. ${cost}, ${took}.`,
    );
  } finally {
    await opened.close();
  }
}

function planLine(plan: ReadPlan): string {
  const levels = plan.levels.length === 1 ? "" : `: ${plan.levels.join(" → ")}`;
  const { calls, promptTokens, completionTokens } = plan;
  return `${count(calls, "call")}${levels}, ${count(promptTokens, "token")} to read, at most ${count(completionTokens, "token")} to write.`;
}

function writePlan(session: Session, plan: ReadPlan, model: string, expectedSeconds: number | undefined): void {
  const { parts, levels, calls, group, promptTokens, completionTokens } = plan;
  if (session.json) {
    const sources = parts.map(({ chunks, tokens }) => ({
      tokens,
      sources: chunks.map(({ uri, startByte, endByte, startLine, endLine }) => ({
        uri,
        startByte,
        endByte,
        startLine,
        endLine,
      })),
    }));
    session.result({ model, calls, levels, group, promptTokens, completionTokens, expectedSeconds, parts: sources });
    return;
  }
  const { style } = session;
  const sizes = parts.map(({ tokens }) => tokens);
  session.line(`${style.bold(model)} would make ${count(calls, "call")}:`);
  levels.forEach((number, depth) => {
    const what =
      depth === 0
        ? `${count(number, "part")} of ${Math.min(...sizes).toLocaleString("en-US")} to ${Math.max(...sizes).toLocaleString("en-US")} tokens`
        : `${count(number, "join")} of up to ${group} answers`;
    session.line(`${"   ".repeat(depth)}${depth === 0 ? "" : "└─ "}${what}`);
  });
  session.line(
    `Tokens: ${promptTokens.toLocaleString("en-US")} to read, at most ${completionTokens.toLocaleString("en-US")} to write.`,
  );
  if (expectedSeconds !== undefined)
    session.line(`Time: about ${seconds(expectedSeconds)}, by what was measured of this model.`);
}

/** Long work is begun by a person's word; without a person the limits of the command hold. */
async function askAboveLimit(session: Session, { yes }: Flags, calls: number, expected?: number): Promise<void> {
  if (yes === true || calls <= askAbove || !canAsk(session)) return;
  const time = expected === undefined ? "" : `, about ${seconds(expected)}`;
  if (await confirm(session, `This takes ${count(calls, "call")}${time}. Begin?`, "yes")) return;
  throw new QuireError("cancelled", "Nothing was read.", { fix: "Look at it with --plan, or set --max-calls." });
}

function warnOfSkipped(session: Session, skipped: readonly SkippedPath[]): void {
  const odd = skipped.filter(
    ({ reason }) => reason === "unreadable" || reason === "bad-file" || reason === "too-large",
  );
  if (odd.length === 0) return;
  const named = odd.slice(0, 3).map(({ uri, detail }) => `${uri} (${detail})`);
  session.warn(`Not read: ${named.join("; ")}${odd.length > 3 ? `, and ${odd.length - 3} more` : ""}`);
}

function withHowToGoOn(session: Session, error: unknown, done: number, total: number): unknown {
  if (!isQuireError(error)) return error;
  const fix = `Run the same command again: it goes on after the ${count(done, "call")} that are done.`;
  if (done > 0) session.hint(`${done} of ${total} calls are done. The same command goes on from there.`);
  const { code, message, got, expected } = error;
  return new QuireError(code, message, {
    got,
    expected,
    fix: done > 0 ? fix : error.fix,
    cause: error,
    partial: error.partial,
  });
}
