import { isQuireError, QuireError } from "../errors.js";
import { leastWindow, mostWindow, type TextScoring, type TokenLogProbs } from "../text/text-scoring.js";
import type { EndpointConnection } from "./endpoint-request.js";

/** Probabilities from an OpenAI-compatible endpoint, where it gives them: of a text's tokens by completions that echo their prompt,
 *  of answers by the likeliest first tokens of a chat. Many endpoints give only one of them, or none; then the error says so. */

type Post = (path: string, body: object, signal: AbortSignal | undefined) => Promise<unknown>;

export interface ScoringEndpoint {
  readonly connection: Pick<EndpointConnection, "baseUrl">;
  readonly model: string;
  readonly contextTokens: number;
  readonly post: Post;
}

/** Its tokens are not known beforehand, so windows are counted in characters; few texts have fewer to a token. */
const charactersPerToken = 2;

export function endpointScoring(endpoint: ScoringEndpoint): TextScoring {
  const most = endpoint.contextTokens - 2;
  return {
    async *tokenLogProbs(text, { window = Math.min(mostWindow, most), signal } = {}) {
      if (!Number.isInteger(window) || window < leastWindow || window > most) {
        throw new QuireError("bad-option", "The window cannot have this length.", {
          got: window,
          expected: `${leastWindow} to ${most} tokens`,
        });
      }
      const half = Math.floor((window * charactersPerToken) / 2);
      for (let start = 0; start === 0 || start + half < text.length; start += half) {
        const from = whole(text, start);
        const scored = start === 0 ? from : whole(text, start + half);
        const part = text.slice(from, whole(text, Math.min(text.length, start + 2 * half)));
        if (part === "") return;
        yield await scoreWindow(endpoint, text, part, from, scored, signal);
      }
    },
    async choose(prompt, labels, signal) {
      const body = {
        ...{ model: endpoint.model, messages: [{ role: "user", content: prompt }], max_tokens: 1, temperature: 0 },
        ...{ logprobs: true, top_logprobs: 20 },
      };
      const reply = (await asked(endpoint, "/chat/completions", body, signal)) as ChatReply;
      const tops = reply.choices?.[0]?.logprobs?.content?.[0]?.top_logprobs;
      if (!Array.isArray(tops) || tops.length === 0) throw givesNone(endpoint, "/chat/completions");
      return Float32Array.from(labels, (label) =>
        tops.reduce((sum, { token, logprob }) => sum + (token.trim() === label ? Math.exp(logprob) : 0), 0),
      );
    },
  };
}

interface ChatReply {
  readonly choices?: readonly {
    readonly logprobs?: {
      readonly content?: readonly { readonly top_logprobs?: readonly { token: string; logprob: number }[] }[];
    };
  }[];
}

interface CompletionReply {
  readonly choices?: readonly {
    readonly logprobs?: { readonly tokens?: readonly string[]; readonly token_logprobs?: readonly (number | null)[] };
  }[];
}

async function scoreWindow(
  endpoint: ScoringEndpoint,
  text: string,
  part: string,
  from: number,
  scored: number,
  signal: AbortSignal | undefined,
): Promise<TokenLogProbs> {
  const body = { model: endpoint.model, prompt: part, max_tokens: 1, temperature: 0, echo: true, logprobs: 1 };
  const reply = (await asked(endpoint, "/completions", body, signal)) as CompletionReply;
  const { tokens, token_logprobs: given } = reply.choices?.[0]?.logprobs ?? {};
  // A server that does not know `echo` scores only what it wrote itself: one token.
  if (!Array.isArray(tokens) || !Array.isArray(given) || tokens.length < 2) throw givesNone(endpoint, "/completions");
  const ends = tokenPlaces(part, tokens);
  const startByte = Buffer.byteLength(text.slice(0, from));
  const endBytes: number[] = [];
  const logProbs: number[] = [];
  let byte = startByte;
  let at = 0;
  for (const [i, end] of ends.entries()) {
    byte += Buffer.byteLength(part.slice(at, end));
    at = end;
    const value = given[i];
    if (typeof value !== "number" || from + end <= scored) continue;
    endBytes.push(byte);
    logProbs.push(value);
  }
  return { endBytes: Int32Array.from(endBytes), logProbs: Float32Array.from(logProbs) };
}

/** How far the next token may stand away, after tokens that are parts of characters. */
const mostGap = 8;

/** Where tokens end in the text they were made of; the one that was written behind it is left out. Tokens that are parts of a
 *  character cannot be read: they end where the next one begins. */
export function tokenPlaces(text: string, tokens: readonly string[]): number[] {
  const ends: number[] = [];
  let at = 0;
  let unread = 0;
  for (const [i, token] of tokens.entries()) {
    if (at >= text.length) break;
    const readable = token !== "" && !/\ufffd|^bytes:/.test(token);
    const found = readable ? text.slice(0, at + token.length + mostGap).indexOf(token, at) : -1;
    if (readable && (found < 0 || (unread === 0 && found > at && ends.length > 0))) {
      if (i === tokens.length - 1) break;
      throw new QuireError("unsupported", "The endpoint's tokens do not add up to the text.", {
        got: token,
        expected: text.slice(at, at + 40),
        fix: "Use a model on this machine.",
      });
    }
    if (!readable) {
      unread++;
      continue;
    }
    for (; unread > 0; unread--) ends.push(found);
    at = found + token.length;
    ends.push(at);
  }
  for (; unread > 0; unread--) ends.push(text.length);
  return ends;
}

function whole(text: string, index: number): number {
  const low = text.charCodeAt(index);
  return index > 0 && index < text.length && low >= 0xdc00 && low <= 0xdfff ? index - 1 : index;
}

async function asked(endpoint: ScoringEndpoint, path: string, body: object, signal: AbortSignal | undefined) {
  try {
    return await endpoint.post(path, body, signal);
  } catch (error) {
    if (!isQuireError(error) || (error.code !== "bad-input" && error.code !== "not-found")) throw error;
    throw givesNone(endpoint, path, error);
  }
}

function givesNone({ connection, model }: ScoringEndpoint, path: string, cause?: QuireError): QuireError {
  return new QuireError("unsupported", `${connection.baseUrl} gives no probabilities at ${path}.`, {
    got: cause?.message ?? `a reply of ${model} without log-probabilities`,
    expected:
      path === "/completions"
        ? "a completions endpoint that knows echo and logprobs"
        : "a chat endpoint that knows logprobs and top_logprobs",
    fix: "Use a model on this machine, or a method that needs no probabilities.",
    cause,
  });
}
