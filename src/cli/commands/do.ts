import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { z } from "zod";
import { diskError } from "../../corpus/file-problem.js";
import { isQuireError, QuireError } from "../../errors.js";
import type { FolderWorld } from "../../programs/expand/folder-environment.js";
import { nodeOf, outlineOf, type PlanNode, type PlanTree } from "../../programs/expand/plan-tree.js";
import { canAsk, confirm } from "../confirm.js";
import { count } from "../layout.js";
import { checkFolder, openFolder } from "../open-folder.js";
import { openModel } from "../open-model.js";
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

/** `quire do`: plans and acts over a folder until a task is done. */

interface Flags extends ModelFlags, CorpusFlags {
  readonly out?: string;
  readonly yes?: boolean;
  readonly index?: boolean;
  readonly trace?: string;
  readonly resume?: string;
  readonly maxDepth?: number;
  readonly maxCalls?: number;
  readonly maxActions?: number;
  readonly repair?: boolean;
}

export function define(command: Command): void {
  command
    .description(
      "Carries out a task over a folder: the model writes a plan, unknown steps become plans of their own, known ones are done. Needs a model that can write code.",
    )
    .argument("<task>", "what is to be done")
    .argument("<folder>", "folder (or file) that may be read");
  modelOptions(command)
    .addOption(new Option("-o, --out <folder>", "folder that text may be written to; without it nothing is written"))
    .addOption(new Option("-y, --yes", "write without asking"))
    .addOption(new Option("--no-index", "do without an index: list, read and grep, no search by meaning"))
    .addOption(number("--max-depth <n>", "deepest step that may be planned", undefined, { least: 0, whole: true }))
    .addOption(number("--max-calls <n>", "model calls at most", undefined, { least: 1, whole: true }))
    .addOption(number("--max-actions <n>", "actions at most", undefined, { least: 1, whole: true }))
    .addOption(new Option("--repair", "plan what failed once more, with the error in view"))
    .addOption(new Option("--trace <file>", "write the tree of the plan to a file, as it grows"))
    .addOption(new Option("--resume <file>", "go on with a tree that was written before; no action is done twice"));
  corpusOptions(command);
  examples(outputOptions(command), [
    'quire do "Compare the notice periods in all contracts." ./contracts --base-url http://127.0.0.1:8080/v1 --model big',
    'quire do "List every environment variable with what it does." ./src --out ./notes --trace plan.json',
    'quire do "List every environment variable with what it does." ./src --out ./notes --resume plan.json',
  ]);
  command.action(start(run));
}

async function run(session: Session, task: string, folder: string, flags: Flags): Promise<void> {
  if (task.trim() === "") throw new QuireError("bad-input", "The task is empty.", { expected: "words" });
  await checkFolder(folder, flags);
  const resume = flags.resume === undefined ? undefined : await readTree(flags.resume);
  const { recode } = await import("../../programs/recode.js");
  const { runProgram } = await import("../../programs/run.js");
  const { folderEnvironment } = await import("../../programs/expand/folder-environment.js");
  const opened = await openModel(session, flags);
  const corpus = flags.index === false ? undefined : await openFolder(session, folder, flags, { model: opened.model });
  const { signal } = session;
  const world: FolderWorld = {
    folder,
    files: { include: flags.include, exclude: flags.exclude },
    out: flags.out,
    mayWrite: (name, text) => mayWrite(session, flags, name, text),
    signal,
    ...(corpus === undefined
      ? {}
      : {
          search: async (query, k) =>
            (await corpus.search(query, { k, signal })).map(({ chunk: { uri, startLine, endLine, text } }) => ({
              file: uri,
              ...{ startLine, endLine, text },
            })),
        }),
  };
  const shown = new Map<number, string>();
  const onChange = (tree: PlanTree): void => {
    if (flags.trace !== undefined) pending = pending.then(() => writeTree(flags.trace as string, tree));
    for (const node of tree.nodes) tell(session, tree, node, shown);
  };
  let pending: Promise<void> = Promise.resolve();
  try {
    const { output, trace } = await runProgram(
      recode({
        ...(flags.maxDepth === undefined ? {} : { maxDepth: flags.maxDepth }),
        ...(flags.maxActions === undefined ? {} : { maxActions: flags.maxActions }),
        repair: flags.repair === true ? 1 : 0,
      }),
      { instruction: task, environment: folderEnvironment(world), resume, onChange },
      { model: opened.model, limits: { calls: flags.maxCalls }, signal },
    );
    await pending;
    for (const note of output.tree.notes) session.warn(note);
    const { reason, answer, actions, error, tree } = output;
    if (session.json) {
      const said = error === undefined ? {} : { error: error.message };
      session.result({
        reason,
        answer: answer ?? null,
        ...said,
        actions,
        calls: trace.calls,
        usage: trace.usage,
        tree,
      });
    } else if (answer !== undefined)
      session.line(`\n${typeof answer === "string" ? answer : JSON.stringify(answer, null, 2)}`);
    session.hint(`${count(trace.calls, "model call")}, ${count(actions, "action")}; ${opened.where}`);
    if (answer === undefined && !session.json)
      session.line(endWords[reason] + (error === undefined ? "" : `: ${error.message}`));
    if (reason === "error" || reason === "rewrite" || reason === "depth" || reason === "actions") process.exitCode = 1;
  } catch (error) {
    await pending;
    if (flags.trace !== undefined && isQuireError(error)) session.hint(`Go on with --resume ${flags.trace}.`);
    throw error;
  } finally {
    await corpus?.close();
    await opened.close();
  }
}

const endWords = {
  finished: "The plan is done; it gave no answer",
  answered: "",
  depth: "The plan went deeper than --max-depth allows",
  rewrite: "The model wrote no code that can be used",
  error: "A step failed",
  actions: "The plan made as many actions as --max-actions allows",
} as const;

/** A step as soon as something is known of it, each state once. */
function tell(session: Session, tree: PlanTree, node: PlanNode, shown: Map<number, string>): void {
  if (session.json || session.quiet || node.status === "pending" || shown.get(node.id) === node.status) return;
  shown.set(node.id, node.status);
  const { style } = session;
  const line = outlineOf({ ...tree, nodes: [{ ...nodeOf(tree, node.id), children: [], error: undefined }] });
  const text = `${"  ".repeat(node.depth)}${line.trim()}`;
  session.line(node.status === "error" ? style.red(text) : node.status === "stub" ? text : style.dim(text));
}

async function mayWrite(session: Session, { yes }: Flags, name: string, text: string): Promise<boolean> {
  if (yes === true) return true;
  if (!canAsk(session)) {
    throw new QuireError("bad-option", `The plan wants to write ${name}, and nobody can be asked.`, {
      fix: "Use --yes to let it write into the output folder.",
    });
  }
  return confirm(session, `Write ${name} (${count(text.length, "character")})?`, "no");
}

const treeShape = z.object({
  nodes: z.array(
    z.object({
      id: z.int(),
      parent: z.int().optional(),
      depth: z.int(),
      code: z.string(),
      status: z.enum(["pending", "completed", "stub", "error", "skip"]),
      thought: z.string().optional(),
      observations: z.array(z.string()),
      actions: z.array(z.object({ name: z.string(), args: z.array(z.unknown()), result: z.unknown() })),
      error: z.string().optional(),
      children: z.array(z.int()),
    }),
  ),
  current: z.int().optional(),
  variables: z.record(z.string(), z.unknown()),
  notes: z.array(z.string()),
});

async function readTree(file: string): Promise<PlanTree> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw diskError(`${file} cannot be read`, cause);
  });
  try {
    return treeShape.parse(JSON.parse(text)) as PlanTree;
  } catch (cause) {
    throw new QuireError("bad-file", `${file} is no plan.`, {
      got: file,
      expected: "a file that --trace wrote",
      cause,
    });
  }
}

async function writeTree(file: string, tree: PlanTree): Promise<void> {
  const { writeAtomically } = await import("../../weights/atomic-file.js");
  await writeAtomically(file, (to) => to.write(Buffer.from(`${JSON.stringify(tree)}\n`))).catch((cause: unknown) => {
    throw diskError(`${file} cannot be written`, cause);
  });
}
