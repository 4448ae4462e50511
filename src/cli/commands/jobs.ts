import { readFile, realpath } from "node:fs/promises";
import path from "node:path";
import { type Command, Option } from "commander";
import { isAddress } from "../../corpus/index/place.js";
import { nearest, QuireError } from "../../errors.js";
import { suggestion } from "../../method.js";
import type { BatchJob, JobInput, JobResult, JobState, JobView } from "../../queue/job.js";
import type { JobQueue } from "../../queue/job-queue.js";
import { count, oneLine, table } from "../layout.js";
import { checkFolder } from "../open-folder.js";
import { examples, number, outputOptions } from "../options.js";
import { queueOption } from "../queue-option.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire jobs`: puts jobs into a queue, shows how they are, cancels them. The work is done by `quire worker`. */

interface Flags {
  readonly queue: string;
}

interface AddFlags extends Flags {
  readonly wait?: boolean;
  readonly forModel?: string;
  readonly chunker?: string;
  readonly include?: string[];
  readonly exclude?: string[];
  readonly embedder?: string;
  readonly indexFolder?: string;
  readonly part?: number;
  readonly maxTokens?: number;
}

const states: readonly JobState[] = ["waiting", "running", "done", "failed", "cancelled"];
const queue = "--queue redis://127.0.0.1:6379";

export function define(command: Command): void {
  command.description("Jobs that many machines work on: put them in, see how they are, cancel them.");
  examples(command, [`quire jobs add read ./minutes "Summarise" ${queue}`, `quire jobs list ${queue}`]);

  const list = command.command("list").description("all jobs, newest first");
  list.addOption(new Option("--state <state>", "only these").choices(states));
  list.addOption(number("--most <n>", "so many", undefined, { least: 1, whole: true }).default(50));
  queueOptions(list, [`quire jobs list ${queue}`, `quire jobs list --state running --json ${queue}`]);
  list.action(start(runList));

  const show = command.command("show").description("one job, with its result").argument("<id>", "as `list` names it");
  show.addOption(new Option("--wait", "until it is over"));
  queueOptions(show, [`quire jobs show read_1f2e3d4c5b6a7988 ${queue}`, "quire jobs show ID --wait --json"]);
  show.action(start(runShow));

  const cancel = command.command("cancel").description("stop a job").argument("<id>", "as `list` names it");
  queueOptions(cancel, [`quire jobs cancel read_1f2e3d4c5b6a7988 ${queue}`, "quire jobs cancel ID --json"]);
  cancel.action(start(runCancel));

  const add = command.command("add").description("a job: index a folder, read it as a whole, or answer a batch");
  add.argument("<kind>", "index, read or batch");
  add.argument("<path>", "a folder or file that the workers see by the same path; for batch a file of requests");
  add.argument("[instruction]", 'for read: as "Summarise", or a question');
  add
    .addOption(new Option("--wait", "until it is over, and show its result"))
    .addOption(new Option("--for-model <id>", "only workers with this model take it"))
    .addOption(new Option("--chunker <chunker>", "how documents are cut; none that asks a model"))
    .addOption(new Option("--include <glob...>", "only these files"))
    .addOption(new Option("--exclude <glob...>", "not these files"))
    .addOption(new Option("--embedder <name>", 'index: embedding model, or "none"'))
    .addOption(new Option("--index-folder <folder>", "index: where it is kept, also s3://bucket/name"))
    .addOption(number("--part <tokens>", "read: most tokens read by one call", undefined, { least: 50, whole: true }))
    .addOption(number("--max-tokens <n>", "read: most tokens of each answer", undefined, { least: 16, whole: true }));
  queueOptions(add, [
    `quire jobs add read ./minutes "Summarise" --wait ${queue}`,
    `quire jobs add index ./docs ${queue}`,
    `quire jobs add batch requests.jsonl --wait --json ${queue}`,
  ]);
  add.action(start(runAdd));

  command.action((_options: unknown, self: Command) => {
    const [given] = self.args;
    if (given === undefined) return self.outputHelp();
    const known = self.commands.map((one) => one.name());
    throw new QuireError("bad-option", `\`quire jobs\` has no command "${given}".`, {
      got: given,
      expected: known.join(", "),
      fix: suggestion(nearest(given, known)),
    });
  });
  command.allowExcessArguments();
}

function queueOptions(command: Command, shown: readonly string[]): Command {
  command.addOption(queueOption());
  return examples(outputOptions(command), shown);
}

async function withQueue<Result>(
  { queue: address }: Flags,
  work: (queue: JobQueue) => Promise<Result>,
): Promise<Result> {
  const { JobQueue } = await import("../../queue/job-queue.js");
  const opened = await JobQueue.open(address);
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}

async function runList(session: Session, flags: Flags & { state?: JobState; most: number }): Promise<void> {
  const jobs = await withQueue(flags, (opened) => opened.list({ state: flags.state, most: flags.most }));
  if (session.json) return session.result(jobs);
  if (jobs.length === 0) return session.line("There are no jobs.");
  const rows = jobs.map((job) => [job.id, job.state, progressOf(job), oneLine(subjectOf(job), 60)]);
  for (const line of table(rows)) session.line(line);
}

async function runShow(session: Session, id: string, flags: Flags & { wait?: boolean }): Promise<void> {
  const job = await withQueue(flags, (opened) => (flags.wait ? waitFor(session, opened, id) : opened.show(id)));
  report(session, job);
}

async function runCancel(session: Session, id: string, flags: Flags): Promise<void> {
  const job = await withQueue(flags, (opened) => opened.cancel(id));
  if (session.json) session.result(job);
  else session.line(`${id} is cancelled.`);
}

async function runAdd(
  session: Session,
  kind: string,
  target: string,
  instruction: string | undefined,
  flags: AddFlags,
): Promise<void> {
  const input = await inputOf(kind, target, instruction, flags);
  const job = await withQueue(flags, async (opened) => {
    const added = await opened.add(input, { model: flags.forModel });
    session.hint(`${added.id} is in the queue.`);
    return flags.wait ? waitFor(session, opened, added.id) : added;
  });
  if (flags.wait) return report(session, job);
  if (session.json) session.result(job);
  else session.line(job.id);
}

async function inputOf(
  kind: string,
  target: string,
  instruction: string | undefined,
  flags: AddFlags,
): Promise<JobInput> {
  if (kind === "batch") return { type: "batch", requests: await readRequests(target) };
  if (kind !== "index" && kind !== "read") {
    throw new QuireError("bad-option", `There are no jobs of the kind "${kind}".`, {
      got: kind,
      expected: "index, read or batch",
      fix: suggestion(nearest(kind, ["index", "read", "batch"])),
    });
  }
  await checkFolder(target, flags);
  const { chunker, include, exclude, embedder, part, maxTokens: answer } = flags;
  // Workers stand in folders of their own.
  const place = flags.indexFolder;
  const indexFolder = place === undefined || isAddress(place) ? place : path.resolve(place);
  const shared = { folder: await realpath(target), chunker, files: { include, exclude } };
  if (kind === "index") return { ...shared, type: "index", embedder, indexFolder };
  return { ...shared, type: "read", instruction: instruction ?? "", part, answer };
}

/** One JSON object a line: `{"id", "messages", "maxTokens"}`, or `"prompt"` in place of messages. */
async function readRequests(file: string): Promise<BatchJob["requests"]> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new QuireError("not-found", `${file} cannot be read.`, { got: file, expected: "a file of requests", cause });
  });
  return text.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      value = undefined;
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new QuireError("bad-file", `Line ${i + 1} of ${file} is not a JSON object.`, {
        got: line.slice(0, 80),
        expected: '{"prompt": "...", "maxTokens": 100} on each line',
      });
    }
    const { prompt, ...rest } = value as { prompt?: unknown };
    const messages = typeof prompt === "string" ? [{ role: "user" as const, content: prompt }] : [];
    // What else is in it is checked where the job is put in.
    return [{ id: `line-${i + 1}`, maxTokens: 256, messages, ...rest }];
  });
}

async function waitFor(session: Session, opened: JobQueue, id: string): Promise<JobView> {
  try {
    return await opened.wait(id, {
      signal: session.signal,
      onProgress: ({ progress: { phase, done, total } }) =>
        session.progress.show({ phase, done, total, unit: "calls" }),
    });
  } finally {
    session.progress.clear();
  }
}

function report(session: Session, job: JobView): void {
  if (session.json) session.result(job);
  else {
    session.line(`${session.style.bold(job.id)}  ${job.state}, ${progressOf(job)}`);
    session.line(session.style.dim(subjectOf(job)));
    if (job.result !== undefined) {
      session.line();
      session.line(inWords(job.result));
    }
    if (job.error !== undefined) session.line(`${session.style.red("error:")} ${job.error.message}`);
  }
  if (job.state === "failed") process.exitCode = 1;
}

function progressOf({ progress: { phase, done, total } }: JobView): string {
  if (phase === "waiting") return "not begun";
  return `${done.toLocaleString("en-US")}${total === undefined ? "" : ` of ${total.toLocaleString("en-US")}`} (${phase})`;
}

function subjectOf({ type, target, instruction }: JobView): string {
  return [type, target, instruction].filter((word) => word !== undefined).join("  ");
}

function inWords(result: JobResult): string {
  if (result.type === "read") return result.answer;
  if (result.type === "batch") {
    return result.answers.map((one) => `${one.id}: ${"error" in one ? one.error.message : one.text}`).join("\n");
  }
  const { documents, added, changed, removed } = result;
  return `${count(documents, "document")} indexed: ${added} added, ${changed} changed, ${removed} removed.`;
}
