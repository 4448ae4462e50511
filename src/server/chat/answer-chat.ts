import { randomUUID } from "node:crypto";
import type { EngineResult, JobOptions } from "../engine/client.js";
import type { ModelText } from "../engine/model-text.js";
import { badRequest } from "../http/api-error.js";
import type { Run, RunRequest } from "../requests/runs.js";
import type { FunctionTool } from "./chat-request.js";
import { type TokenLogprob, tokenLogprob } from "./logprobs.js";
import { type CalledFunction, callSchema, readCall, type ToolFormat } from "./tool-format.js";

/** One answer of a chat: text as it comes, and calls of tools, each whole. A call is made in two generations: when the model opens one
 *  (or must make one), its JSON is generated under a grammar of the tools' schemas; then the model may go on. */

export interface ChatTask {
  readonly id: string;
  readonly user: string;
  readonly prompt: Int32Array;
  /** With `maxTokens`, and `stop` without the template's own. */
  readonly options: JobOptions & { readonly maxTokens: number };
  readonly tools: readonly FunctionTool[];
  readonly format: ToolFormat;
  /** A call must be made. */
  readonly mustCall: boolean;
  readonly mostCalls: number;
  readonly signal: AbortSignal;
}

export interface ToolCall extends CalledFunction {
  readonly id: string;
}

export type AnswerPart =
  | { readonly type: "text"; readonly text: string; readonly logprobs: readonly TokenLogprob[] }
  | { readonly type: "call"; readonly call: ToolCall };

export interface AnswerEnd {
  readonly finishReason: "stop" | "length" | "tool_calls";
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly droppedTokens: number;
  readonly completionTokens: number;
  readonly answers?: EngineResult["answers"];
  /** Of the last generation. */
  readonly stats: EngineResult["stats"] & { readonly secondsToFirstToken: number; readonly seconds: number };
}

export interface ChatEngine {
  readonly runs: { start(request: RunRequest): Pick<Run, "pieces"> };
  readonly text: ModelText;
}

interface Progress {
  prompt: Int32Array;
  left: number;
  promptTokens: number | undefined;
  cachedTokens: number;
  droppedTokens: number;
  completionTokens: number;
  secondsToFirstToken: number | undefined;
  seconds: number;
  calls: number;
  generations: number;
}

export async function* answerChat(engine: ChatEngine, task: ChatTask): AsyncGenerator<AnswerPart, AnswerEnd> {
  const progress: Progress = {
    prompt: task.prompt,
    left: task.options.maxTokens,
    promptTokens: undefined,
    cachedTokens: 0,
    droppedTokens: 0,
    completionTokens: 0,
    secondsToFirstToken: undefined,
    seconds: 0,
    calls: 0,
    generations: 0,
  };
  let wantsCall = task.mustCall;
  for (;;) {
    if (!wantsCall) {
      const said = yield* generateText(engine, task, progress);
      if (!said.opensCall || progress.left < 1) return end(said.result, progress);
      extend(engine.text, progress, said.text);
    }
    const made = yield* generateCall(engine, task, progress);
    if (made.stops || progress.calls >= task.mostCalls || progress.left < 1) return end(made.result, progress);
    wantsCall = false;
  }
}

/** Text up to its end, or up to where a call opens. */
async function* generateText(
  engine: ChatEngine,
  task: ChatTask,
  progress: Progress,
): AsyncGenerator<AnswerPart, { result: EngineResult; text: string; opensCall: boolean }> {
  const { opener } = task.format;
  const listens = task.tools.length > 0;
  const stop = [...(task.options.stop ?? []), ...engine.text.template.stops];
  const options = { ...task.options, stop: listens && opener !== "" ? [...stop, opener] : stop };
  // Where calls are bare JSON, the answer's first sign tells; where another call may follow, space before it is no answer.
  const bare = listens && opener === "";
  let held = "";
  let text = "";
  let logprobs: TokenLogprob[] = [];
  let isCall = false;
  const stream = run(engine, task, progress, options);
  for (;;) {
    const next = await stream.next();
    if (next.done === true) {
      const result = next.value;
      const all = engine.text.tokenizer.decode(result.tokens, { special: true });
      const opensCall = isCall || (listens && opener !== "" && result.finishReason === "stop" && endsWith(all, opener));
      if (held !== "" && !opensCall && !(progress.calls > 0 && held.trim() === "")) {
        yield { type: "text", text: held, logprobs };
      }
      return { result, text: opensCall ? text + held : text, opensCall };
    }
    const piece = next.value;
    if ((piece.channel ?? 0) > 0) continue;
    if (piece.token >= 0 && (task.options.logprobs ?? 0) > 0) logprobs.push(tokenLogprob(piece, engine.text.tokenizer));
    held += piece.text;
    if (bare && held.trimStart().startsWith("{")) {
      isCall = true;
      await stream.return(undefined as never);
      return { result: emptyResult(task), text: "", opensCall: true };
    }
    if (held === "" || ((listens || progress.calls > 0) && held.trim() === "")) continue;
    yield { type: "text", text: held, logprobs };
    text += held;
    held = "";
    logprobs = [];
  }
}

async function* generateCall(
  engine: ChatEngine,
  task: ChatTask,
  progress: Progress,
): AsyncGenerator<AnswerPart, { result: EngineResult; stops: boolean }> {
  const { opener, closer, argumentsKey } = task.format;
  if (opener !== "") extend(engine.text, progress, `${opener}\n`);
  const { stop: _, logprobs: __, ...options } = task.options;
  const schema = callSchema(task.tools, argumentsKey);
  let text = "";
  const stream = run(engine, task, progress, { ...options, schema });
  for (;;) {
    const next = await stream.next();
    if (next.done !== true) {
      text += next.value.text;
      continue;
    }
    const call = readCall(text, task.tools);
    if (call === undefined) {
      // Cut off in the middle: what there is, as text.
      yield { type: "text", text, logprobs: [] };
      return { result: next.value, stops: true };
    }
    progress.calls++;
    yield { type: "call", call: { ...call, id: `call_${randomUUID().replaceAll("-", "").slice(0, 24)}` } };
    extend(engine.text, progress, opener === "" ? text : `${text}\n${closer}`);
    return { result: next.value, stops: opener === "" };
  }
}

/** A generation from where the answer stands, booked. */
async function* run(engine: ChatEngine, task: ChatTask, progress: Progress, options: JobOptions) {
  const id = progress.generations++ === 0 ? task.id : `${task.id}.${progress.generations}`;
  const { prompt } = progress;
  const started = engine.runs.start({
    id,
    user: task.user,
    prompt,
    options: { ...options, maxTokens: progress.left },
    signal: task.signal,
  });
  const result = yield* started.pieces();
  const { usage } = result;
  if (progress.promptTokens === undefined) {
    progress.promptTokens = usage.promptTokens;
    progress.cachedTokens = usage.cachedTokens;
  }
  progress.droppedTokens += usage.droppedTokens;
  progress.completionTokens += usage.completionTokens;
  progress.secondsToFirstToken ??= usage.secondsToFirstToken;
  progress.seconds += usage.seconds;
  progress.left -= usage.completionTokens;
  return result;
}

function extend({ tokenizer }: ModelText, progress: Progress, text: string): void {
  if (text === "") return;
  const more = tokenizer.encode(text, { special: true });
  const longer = new Int32Array(progress.prompt.length + more.length);
  longer.set(progress.prompt);
  longer.set(more, progress.prompt.length);
  progress.prompt = longer;
}

/** The token that completes a stop string may hold more than its end. */
function endsWith(text: string, opener: string): boolean {
  const at = text.lastIndexOf(opener);
  return at >= 0 && text.length - at - opener.length < 16;
}

function end(result: EngineResult, progress: Progress): AnswerEnd {
  const { promptTokens, cachedTokens, droppedTokens, completionTokens, secondsToFirstToken, seconds } = progress;
  return {
    finishReason: progress.calls > 0 ? "tool_calls" : result.finishReason,
    promptTokens: promptTokens ?? 0,
    cachedTokens,
    droppedTokens,
    completionTokens,
    ...(result.answers === undefined ? {} : { answers: result.answers }),
    stats: { ...result.stats, secondsToFirstToken: secondsToFirstToken ?? 0, seconds },
  };
}

function emptyResult(task: ChatTask): EngineResult {
  return {
    finishReason: "stop",
    tokens: [],
    usage: {
      promptTokens: task.prompt.length,
      cachedTokens: 0,
      droppedTokens: 0,
      completionTokens: 0,
      secondsToFirstToken: 0,
      seconds: 0,
    },
    stats: { passes: 0, tokensPerPass: 0, decode: {}, cache: { entries: 0, bytes: 0, peakBytes: 0, policy: {} } },
  };
}

/** The window's room for an answer; a prompt that does not fit is refused, with both numbers. */
export function roomFor(
  promptTokens: number,
  contextTokens: number,
  wanted: number | undefined,
  usual: number,
  overflow: JobOptions["overflow"],
): number {
  const most = wanted ?? usual;
  if (promptTokens < contextTokens) return Math.min(most, contextTokens - promptTokens);
  if (overflow !== undefined && overflow !== "error") return Math.min(most, contextTokens - 1);
  throw badRequest(
    `This model's context window holds ${contextTokens} tokens; the prompt alone has ${promptTokens}. Shorten it, ask a corpus instead (/v1/corpora), or choose "quire": {"overflow": "drop-middle"}.`,
    "messages",
    "context_length_exceeded",
  );
}
