import type { IncomingMessage, ServerResponse } from "node:http";
import { bodyOf, fail, json } from "./http.js";
import { beginStream, gone, pause, sendEvent } from "./streaming.js";

/** A decoder that drafts, branches or works in pairs, and caches that forget, all by heart. */

const sentence = "The quick brown fox jumps over the lazy dog .".split(" ").map((word) => ` ${word}`);

export async function watch(request: IncomingMessage, response: ServerResponse, pace: number): Promise<void> {
  const { prompt, decoder = "" } = (await bodyOf(request)) as { prompt?: string; decoder?: string };
  if (prompt === undefined || prompt === "") return fail(response, 400, "prompt: It is missing.", "missing");
  beginStream(response);
  const send = async (event: object): Promise<void> => {
    if (!gone(response)) sendEvent(response, undefined, event);
    await pause(pace);
  };
  let answers: object[] | undefined;
  if (decoder.startsWith("hogwild")) {
    for (const [index, word] of [...sentence, ...sentence].entries())
      await send({ type: "piece", channel: index % 2, text: word });
    answers = ["Alice", "Bob"].map((name) => ({ text: sentence.join(""), tokens: sentence.length, name }));
  } else if (decoder.startsWith("treepo")) {
    const branches = [
      { branch: 1, from: 0, tokens: sentence.slice(0, 4) },
      { branch: 2, from: 1, tokens: sentence.slice(4, 7) },
      { branch: 3, from: 1, tokens: [" sleeps", " under"] },
      { branch: 4, from: 2, tokens: sentence.slice(7) },
      { branch: 5, from: 2, tokens: [" a", " fence", "."] },
    ];
    for (const one of branches) await send({ type: "branch", ...one });
    for (const branch of [3, 4, 5]) await send({ type: "branch-end", branch, reason: "eos" });
  } else {
    for (let round = 0; round < 8; round++) {
      const at = (index: number): string => sentence[(round + index) % sentence.length] ?? "";
      const accepted = [[0, 2, 4], [0], [], [0, 2]][round % 4] ?? [];
      const tokens = [at(0), " a", at(1), " red", at(2)];
      await send({ type: "round", tokens, parents: [-1, -1, 0, 0, 2], accepted, next: at(accepted.length) });
      const text = [...accepted.map((row) => tokens[row] ?? ""), at(accepted.length)].join("");
      await send({ type: "piece", channel: 0, text });
    }
  }
  await send({
    type: "end",
    finish_reason: "stop",
    prompt_tokens: 12,
    completion_tokens: 20,
    seconds: 0.4,
    passes: 8,
    tokens_per_pass: 2.5,
    decode: {},
    ...(answers === undefined ? {} : { answers }),
  });
  sendEvent(response, undefined, "[DONE]");
  response.end();
}

const layers = [0, 1, 2, 3];
const heads = 2;

export async function inspect(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { prompt = "", cache = [] } = (await bodyOf(request)) as { prompt?: string; cache?: string[] };
  const read = prompt.split(/(?=\s)/);
  const written = sentence;
  const tokens = [...read, ...written].map((text, id) => ({ id, text }));
  const moments = [read.length, read.length + 4, tokens.length];
  json(response, {
    object: "cache.inspection",
    data: cache.map((policy) => ({
      policy,
      tokens,
      promptTokens: read.length,
      layers,
      kvHeads: heads,
      snapshots: moments.map((count) => ({ tokens: count, kept: bits(policy, count) })),
    })),
  });
}

/** A window keeps its ends; anything else keeps what a lot says, another one for every head. */
function bits(policy: string, count: number): string {
  const width = Math.ceil(count / 8);
  const kept = Buffer.alloc(layers.length * heads * width);
  for (let head = 0; head < layers.length * heads; head++) {
    for (let token = 0; token < count; token++) {
      const ends = token < 4 || token >= count - 0.25 * count;
      const lot = ((token * 7919 + head * 104_729) % 101) / 101 < 0.3;
      const keeps = policy.startsWith("full") || (policy.startsWith("window") ? ends : lot);
      const byte = head * width + (token >> 3);
      if (keeps) kept[byte] = (kept[byte] ?? 0) | (1 << (token & 7));
    }
  }
  return kept.toString("base64");
}
