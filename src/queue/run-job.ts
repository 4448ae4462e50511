import { openCorpus } from "../corpus-session.js";
import { QuireError } from "../errors.js";
import { partOf } from "../methods.js";
import type { LanguageModel } from "../programs/language-model.js";
import type { Program } from "../programs/program.js";
import { read } from "../programs/read.js";
import { planReading, readableText } from "../read-session.js";
import { advance, type CallRequest } from "./advance.js";
import { batch } from "./batch.js";
import type { BatchJob, CallOutcome, IndexJob, JobData, JobProgress, JobResult, ReadJob } from "./job.js";

/** One turn at a job: it ends with the result, or with the calls that must be done before the next turn. */

export type Turn = { readonly result: JobResult } | { readonly needed: ReadonlyMap<string, CallRequest> };

export interface TurnContext {
  readonly model: LanguageModel;
  readonly outcomes: ReadonlyMap<string, CallOutcome>;
  readonly signal: AbortSignal;
  onProgress(progress: JobProgress): void;
}

export async function runJob({ input }: Pick<JobData, "input">, context: TurnContext): Promise<Turn> {
  switch (input.type) {
    case "index":
      return { result: await runIndex(input, context) };
    case "read":
      return runRead(input, context);
    case "batch":
      return runBatch(input, context);
    default:
      return input satisfies never;
  }
}

/** A worker that dies here loses a batch of chunks at most: the next one finds what is indexed and goes on. */
async function runIndex(job: IndexJob, { signal, onProgress }: TurnContext): Promise<JobResult> {
  await chunkerWithoutModel(job.chunker);
  const corpus = await openCorpus(job.folder, {
    chunker: job.chunker,
    embedder: job.embedder,
    indexFolder: job.indexFolder,
    files: job.files,
    signal,
    onProgress: ({ phase, done, total }) => onProgress({ phase, done, total }),
  });
  try {
    const update = corpus.lastUpdate;
    if (update === undefined) throw new QuireError("native", "The index was not updated.");
    const { added, changed, removed, unchanged, chunks, documents } = update;
    const skipped = update.skipped.map(({ uri, reason, detail }) => ({ uri: shownAs(job, uri), reason, detail }));
    return {
      type: "index",
      documents,
      chunks,
      added: added.length,
      changed: changed.length,
      removed: removed.length,
      unchanged,
      skipped,
    };
  } finally {
    await corpus.close();
  }
}

async function runRead(job: ReadJob, { model, outcomes, signal, onProgress }: TurnContext): Promise<Turn> {
  await chunkerWithoutModel(job.chunker);
  const { part, answer, group, instruction } = job;
  const options = { ...(part && { part }), ...(answer && { answer }), ...(group && { group }) };
  const found = await readableText(job.folder, { model, chunker: job.chunker, files: job.files, signal });
  const chunks = found.chunks.map((chunk) => ({ ...chunk, uri: shownAs(job, chunk.uri) }));
  const skipped = found.skipped.map(({ uri, reason, detail }) => ({ uri: shownAs(job, uri), reason, detail }));
  const plan = planReading({ chunks, skipped: found.skipped }, instruction, { model, read: options });
  onProgress({ phase: "calls", done: outcomes.size, total: plan.calls });
  const turn = await advance(read(options), { instruction, chunks }, { model, outcomes, signal });
  if (!turn.done) return { needed: turn.needed };
  const { answer: text, parts, read: extent, unsupported } = turn.output;
  const result = { answer: text, parts, read: extent, unsupported, skipped };
  return { result: { type: "read", ...result, usage: turn.cost, model: model.id } };
}

async function runBatch(job: BatchJob, { model, outcomes, signal, onProgress }: TurnContext): Promise<Turn> {
  onProgress({ phase: "calls", done: outcomes.size, total: job.requests.length });
  const turn = await advance(
    batch as Program<typeof job.requests, Awaited<ReturnType<typeof batch.run>>>,
    job.requests,
    {
      model,
      outcomes,
      signal,
    },
  );
  if (!turn.done) return { needed: turn.needed };
  return { result: { type: "batch", answers: turn.output, usage: turn.cost, model: model.id } };
}

/** A job's cuts must come out the same on every turn, on whatever machine. */
async function chunkerWithoutModel(name: string | undefined): Promise<void> {
  if (name === undefined) return;
  const chunker = await partOf("chunker", name);
  if (!chunker.asksModel && !chunker.embeds) return;
  throw new QuireError("unsupported", `Jobs cannot be cut by ${name}, which asks a model.`, {
    got: name,
    expected: "a chunker that needs no model, such as recursive or sentence",
    fix: "Leave the chunker out, or run the command without a queue.",
  });
}

function shownAs({ names }: { readonly names?: Readonly<Record<string, string>> }, uri: string): string {
  return names?.[uri] ?? uri;
}
