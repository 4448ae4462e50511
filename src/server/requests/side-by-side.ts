import { AsyncQueue } from "../../engine/async-queue.js";
import { parseMethodString } from "../../method.js";
import { partOf } from "../../methods.js";
import type { EnginePiece, EngineResult } from "../engine/client.js";
import { badRequest } from "../http/api-error.js";
import type { Run, RunRequest } from "./runs.js";
import { given, type SamplingFields } from "./sampling-fields.js";

/** Several answers to one prompt by a decoder that draws them side by side: one generation, taken apart into its answers. */

export interface SideBySide {
  /** With the width that was asked for. */
  readonly decoder: string;
  readonly answers: number;
}

const mostAnswers = 16;

/** Undefined where each answer is a generation of its own. `n` says how many, or the decoder does. */
export async function sideBySide({ n, quire, temperature }: SamplingFields): Promise<SideBySide | undefined> {
  const choice = given(quire?.decoder);
  if (choice === undefined) return undefined;
  const part = await partOf("decoder", choice);
  if (part.draws === undefined) return undefined;
  const { name, options } = parseMethodString(choice);
  const asked = given(n);
  const width = options["width"];
  if (asked !== undefined && width !== undefined && width !== asked) {
    throw badRequest(`n: ${asked} answers are asked for, and ${String(width)} of the decoder.`, "n");
  }
  const answers = asked ?? (width === undefined ? 1 : (part.answers ?? 1));
  if (answers > mostAnswers) throw badRequest(`quire.decoder: At most ${mostAnswers} answers.`, "quire.decoder");
  const decoder = `${name}:${Object.entries({ ...options, width: answers })
    .map(([key, value]) => `${key}=${value}`)
    .join(",")}`;
  const checked = await partOf("decoder", decoder).catch((error: unknown) => {
    throw badRequest(`quire.decoder: ${(error as Error).message}`, "quire.decoder");
  });
  if (checked.draws === true && given(temperature) === 0)
    throw badRequest("temperature: Answers drawn at temperature 0 would all be equal.", "temperature");
  return { decoder, answers };
}

/** The answers of a run, each as if it were a run of its own. Leaving all of them early cancels it; an answer that there is none of
 *  gives an empty text. The first carries the whole run's figures. */
export function answersOf(run: Run, count: number): Pick<Run, "pieces">[] {
  const queues = Array.from({ length: count }, () => new AsyncQueue<EnginePiece>());
  let result: EngineResult | undefined;
  let left = count;
  const source = run.pieces();
  const pump = async (): Promise<void> => {
    try {
      for (;;) {
        const next = await source.next();
        if (next.done === true) {
          result = next.value;
          break;
        }
        const { channel = 0, ...piece } = next.value;
        queues[channel]?.push(piece);
      }
      for (const queue of queues) queue.end();
    } catch (error) {
      for (const queue of queues) queue.end(error);
    }
  };
  void pump();
  return queues.map((queue, index) => ({
    async *pieces() {
      try {
        yield* queue;
      } finally {
        if (--left === 0) run.cancel();
      }
      return resultOf(result as EngineResult, index);
    },
  }));
}

/** For answers that are begun one by one: the first begins the run of all. */
export function sharedRuns(
  runs: { start(request: RunRequest): Run },
  count: number,
): { start(request: RunRequest): Pick<Run, "pieces"> } {
  let answers: Pick<Run, "pieces">[] | undefined;
  return {
    start: (request) => {
      answers ??= answersOf(runs.start(request), count);
      return answers.shift()!;
    },
  };
}

function resultOf(result: EngineResult, index: number): EngineResult {
  const answer = result.answers?.[index];
  if (answer === undefined) {
    if (index === 0) return result;
    return { ...result, finishReason: "stop", tokens: [], usage: { ...result.usage, completionTokens: 0 } };
  }
  return {
    ...result,
    answers: [answer],
    finishReason: answer.finishReason,
    tokens: answer.tokens,
    usage: { ...result.usage, completionTokens: answer.tokens.length },
  };
}

/** What else is known of an answer, for a choice of a response. */
export function answerNotes({ answers }: Pick<EngineResult, "answers">): object {
  const [answer] = answers ?? [];
  if (answers?.length !== 1 || answer === undefined) return {};
  const { path, weight, reason, regrown, logProb } = answer;
  return { quire: { path, weight, reason, log_probability: logProb, ...(regrown === true ? { regrown } : {}) } };
}
