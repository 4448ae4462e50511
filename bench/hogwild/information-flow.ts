import { z } from "zod";
import { type Decoder, decoder, type RowsRequest } from "../../src/decode/decoder.js";
import { othersHeading, ownHeading, stepLabel } from "../../src/decode/workers/prompts.js";
import type { Quire } from "../../src/quire.js";

/** Does a worker read what another is writing? Ben writes a code token by token into a block of his own; then Ann is made to say that
 *  the code is, and what she thinks of the digits that Ben wrote is read from her logits. */

export const conditions = ["shared", "moved", "invisible", "recomputed"] as const;
export type Condition = (typeof conditions)[number];

export interface FlowOutcome {
  /** Natural logarithm of the probability of all digits. */
  readonly logProb: number;
  /** Each digit is her likeliest next token. */
  readonly exact: boolean;
}

interface Texts {
  readonly prompt: Int32Array;
  readonly head: number[];
  readonly own: number[];
  readonly annBegins: number[];
  readonly ben: number[];
  readonly annSays: number[];
  readonly code: number[];
}

export async function readCode(quire: Quire, code: string, condition: Condition): Promise<FlowOutcome> {
  const encode = (text: string) => [...quire.tokenizer.encode(text)];
  const texts: Texts = {
    prompt: quire.encodeChat(
      "Ann and Ben work together and see what the other writes. Ben finds out a secret code. Ann has to say which code it is.",
    ),
    head: encode(othersHeading),
    own: encode(ownHeading),
    annBegins: encode(`${stepLabel("Ann", 1)} I wait for Ben to find the code.`),
    ben: encode(`${stepLabel("Ben", 1)} I have found it. The code is ${code}.`),
    annSays: encode(" Now Ben has found it. The code is"),
    code: encode(` ${code}`),
  };
  let outcome: FlowOutcome | undefined;
  const done = (rows: readonly Float32Array[]) => {
    outcome = judged(rows, texts.code);
  };
  const part = condition === "recomputed" ? asOneText(texts, done) : asWorkers(texts, condition, done);
  const stream = quire.streamTokens(texts.prompt, { decoder: part, temperature: 0, maxTokens: 200 });
  while ((await stream.next()).done !== true);
  if (outcome === undefined) throw new Error("Ann was not asked.");
  return outcome;
}

function asWorkers(texts: Texts, condition: Condition, done: (rows: Float32Array[]) => void): Decoder {
  return decoder({
    name: "information-flow",
    title: "One worker writes, another is asked",
    options: z.object({}),
    exact: false,
    rewinds: true,
    shapesMemory: "views",
    *decode({ prompt, memory }) {
      const { blocks } = memory;
      if (blocks === undefined) throw new Error("There are no blocks.");
      const rest = prompt.subarray(memory.length);
      if (rest.length > 0) yield { tokens: rest, want: "none" };
      const [head, own, ann, ben] = [blocks.open(), blocks.open(), blocks.open(), blocks.open()] as const;
      const views = {
        ann: condition === "invisible" ? [0, head, own, ann] : [0, head, ben, own, ann],
        ben: [0, head, ann, own, ben],
      };
      yield rowsOf([[head], [own]], [texts.head, texts.own]);
      yield rowsOf([views.ann, views.ben], [texts.annBegins, texts.ben.slice(0, 1)]);
      for (const token of texts.ben.slice(1)) yield rowsOf([views.ben], [[token]]);
      if (condition === "moved") blocks.append(0, ben);
      const asked = [...texts.annSays, ...texts.code];
      const result = yield { ...rowsOf([views.ann], [asked]), want: "all" };
      done(texts.code.map((_, i) => result.logits(texts.annSays.length - 1 + i).slice()));
    },
  })();
}

/** What Ann sees, written down and read from the beginning. */
function asOneText({ head, ben, own, annBegins, annSays, code }: Texts, done: (rows: Float32Array[]) => void): Decoder {
  return decoder({
    name: "information-flow-recomputed",
    title: "The same as one text",
    options: z.object({}),
    exact: false,
    rewinds: true,
    *decode({ prompt, memory }) {
      const before = [...prompt, ...head, ...ben, ...own, ...annBegins, ...annSays].slice(memory.length);
      yield { tokens: Int32Array.from(before.slice(0, -1)), want: "none" };
      const asked = Int32Array.from([before.at(-1) as number, ...code]);
      const result = yield { tokens: asked, want: "all" };
      done(code.map((_, i) => result.logits(i).slice()));
    },
  })();
}

function rowsOf(views: readonly number[][], tokens: readonly number[][]): RowsRequest {
  const of = tokens.flatMap((own, view) => own.map(() => view));
  return {
    tokens: Int32Array.from(tokens.flat()),
    want: "none",
    sees: { kind: "views", of: Int32Array.from(of), views },
  };
}

function judged(rows: readonly Float32Array[], code: readonly number[]): FlowOutcome {
  let logProb = 0;
  let exact = true;
  for (const [i, logits] of rows.entries()) {
    const own = logits[code[i] as number] as number;
    let most = Number.NEGATIVE_INFINITY;
    for (const logit of logits) most = Math.max(most, logit);
    let sum = 0;
    for (const logit of logits) sum += Math.exp(logit - most);
    logProb += own - most - Math.log(sum);
    exact &&= own === most;
  }
  return { logProb, exact };
}
