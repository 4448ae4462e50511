import type { Tokenizer } from "../../src/text/tokenizer.js";
import { prose } from "../decode/prompts.js";
import { arrivalTimes } from "./arrivals.js";
import type { TimedRequest } from "./drive.js";

/** The workloads that schedulers are shown on. */

export interface MixedWorkload {
  readonly chats: number;
  readonly chatPrompt: number;
  readonly chatOutput: number;
  /** Mean milliseconds between two. */
  readonly chatGapMs: number;
  readonly documents: number;
  readonly documentPrompt: number;
  readonly documentOutput: number;
  readonly documentGapMs: number;
}

/** Chats, and long documents among them, each by Poisson arrivals. */
export function mixedRequests(tokenizer: Tokenizer, load: MixedWorkload, seed: number): TimedRequest[] {
  const text = cutter(tokenizer, load.chats * load.chatPrompt + load.documents * load.documentPrompt, seed);
  const times = (count: number, gapMs: number, salt: number) =>
    arrivalTimes({ count, perSecond: 1000 / gapMs, seed: seed * 1000 + salt });
  const chats = times(load.chats, load.chatGapMs, 1).map((atMs, i) => ({
    ...{ kind: "chat", atMs, prompt: text(load.chatPrompt), outputTokens: load.chatOutput, user: `chat ${i}` },
  }));
  const documents = times(load.documents, load.documentGapMs, 2).map((atMs, i) => ({
    ...{ kind: "document", atMs, prompt: text(load.documentPrompt) },
    ...{ outputTokens: load.documentOutput, user: `document ${i}` },
  }));
  return [...chats, ...documents];
}

export interface SharedWorkload {
  readonly users: number;
  readonly sharedPrompt: number;
  readonly ownPrompt: number;
  readonly output: number;
}

/** One system prompt, many users with a question each; the first comes ahead of the others by `aheadMs`. */
export function sharedRequests(
  tokenizer: Tokenizer,
  { users, sharedPrompt, ownPrompt, output }: SharedWorkload,
  { aheadMs, spanMs, seed }: { aheadMs: number; spanMs: number; seed: number },
): TimedRequest[] {
  const text = cutter(tokenizer, sharedPrompt + users * ownPrompt, seed);
  const system = text(sharedPrompt);
  return arrivalTimes({ count: users, perSecond: (1000 * users) / spanMs, seed }).map((atMs, i) => ({
    kind: "chat",
    atMs: i === 0 ? 0 : aheadMs + atMs,
    prompt: Int32Array.from([...system, ...text(ownPrompt)]),
    outputTokens: output,
    user: `user ${i}`,
  }));
}

/** Pieces of one text, each different, the same for the same seed. */
export function cutter(tokenizer: Tokenizer, tokens: number, seed: number): (count: number) => Int32Array {
  const all = prose(tokenizer, tokens, seed);
  let at = 0;
  return (count) => {
    const piece = all.slice(at, at + count);
    at += count;
    return piece;
  };
}
