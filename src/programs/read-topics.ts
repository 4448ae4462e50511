import { z } from "zod";
import { QuireError } from "../errors.js";
import { type ProgramContext, program } from "./program.js";
import { planRead, type ReadOptions, type ReadPartResult, read } from "./read.js";
import type { ReadChunk } from "./read-parts.js";
import { messageOverheadTokens } from "./token-estimate.js";

/** Reads everything topic by topic: each topic's text is read by itself, and the answers are joined up the tree of topics, so that the
 *  answer to the whole stands beside one for every topic.
 *  Takes    a tree of topics with chunks at its leaves, and an instruction
 *  Gives    the same tree with an answer at every topic
 *  Cost     as `read` for the leaves, and a join for every topic that holds others (more where answers do not fit the window together)
 *  Differs  from `read`, which follows the order of the files
 *  Errors   bad-input when there is nothing to read */

export interface TopicToRead {
  readonly id: string;
  readonly name: string;
  /** Of a topic without parts. */
  readonly chunks?: readonly ReadChunk[];
  readonly topics?: readonly TopicToRead[];
}

export interface TopicAnswer {
  readonly id: string;
  readonly name: string;
  readonly answer: string;
  /** Nothing in the topic answers the question. */
  readonly empty: boolean;
  readonly topics?: readonly TopicAnswer[];
  readonly parts?: readonly ReadPartResult[];
}

export interface ReadTopicsInput {
  readonly instruction: string;
  readonly root: TopicToRead;
  onTopic?(topic: TopicAnswer, done: number, total: number): void;
  /** The last answer, piece by piece. */
  onText?(text: string): void;
}

const options = z.object({
  part: z.number().int().min(50).optional().describe("most tokens of text in one part"),
  answer: z.number().int().min(16).default(300).describe("most tokens of each answer"),
});

const nothingThere = "Nothing in what was read answers this.";

export const readTopics = program({
  name: "read-topics",
  title: "reads everything topic by topic and joins the answers up the tree",
  options,
  create:
    (settings) =>
    async (input: ReadTopicsInput, context): Promise<TopicAnswer> => {
      const total = countTopics(input.root);
      let done = 0;
      const work = async (topic: TopicToRead, inner: ProgramContext, last: boolean): Promise<TopicAnswer> => {
        const parts = topic.topics ?? [];
        const answer =
          parts.length > 0
            ? await joined(
                topic,
                await inner.map("topic", parts, (part, child) => work(part, child, false)),
                inner,
                last,
              )
            : await readLeaf(topic, inner, last);
        input.onTopic?.(answer, ++done, total);
        return answer;
      };
      return work(input.root, context, true);

      async function readLeaf(topic: TopicToRead, inner: ProgramContext, last: boolean): Promise<TopicAnswer> {
        const { id, name, chunks = [] } = topic;
        const onText = last ? input.onText : undefined;
        const output = await read(settings).run({ instruction: input.instruction, chunks, onText }, inner);
        return { id, name, answer: output.answer, empty: output.unsupported, parts: output.parts };
      }

      async function joined(
        { id, name }: TopicToRead,
        topics: readonly TopicAnswer[],
        inner: ProgramContext,
        last: boolean,
      ): Promise<TopicAnswer> {
        const told = topics.filter(({ empty }) => !empty);
        const [only] = told;
        if (only === undefined || told.length === 1) {
          const answer = only?.answer ?? nothingThere;
          if (last) input.onText?.(answer);
          return { id, name, answer, empty: only === undefined, topics };
        }
        const answer = await joinAll(told, inner, last);
        return { id, name, answer, empty: false, topics };
      }

      /** As many answers at once as the window holds; what those give is joined again. */
      async function joinAll(
        told: readonly Pick<TopicAnswer, "name" | "answer">[],
        inner: ProgramContext,
        last: boolean,
      ): Promise<string> {
        const prompt = (some: typeof told) =>
          `${some.map(({ name, answer }) => `Topic: ${name}\n${answer}`).join("\n\n")}\n\nThese answers come from different topics of one collection of texts. The task was: ${input.instruction}\nJoin them into one answer.`;
        const fits = (some: typeof told) =>
          inner.model.countTokens(prompt(some)) + messageOverheadTokens + settings.answer <= inner.model.contextTokens;
        if (fits(told)) {
          const { text } = await inner.ask({
            messages: [{ role: "user", content: prompt(told) }],
            maxTokens: settings.answer,
            onText: last ? input.onText : undefined,
          });
          return text.trim();
        }
        if (told.length <= 2) {
          throw new QuireError("context-overflow", "Two answers do not fit the model's window together.", {
            got: inner.model.countTokens(prompt(told)) + settings.answer,
            expected: `at most ${inner.model.contextTokens} tokens`,
            fix: "Ask for shorter answers (option answer), or use a model with a larger window.",
          });
        }
        const half = Math.ceil(told.length / 2);
        const halves: { name: string; answer: string }[] = [];
        for (const some of [told.slice(0, half), told.slice(half)]) {
          const name = some.map((one) => one.name).join("; ");
          halves.push({ name, answer: some.length === 1 ? some[0]!.answer : await joinAll(some, inner, false) });
        }
        return joinAll(halves, inner, last);
      }
    },
});

/** Calls and tokens of the leaves as `read` plans them, and a join for each topic above. */
export function planTopics(
  input: Pick<ReadTopicsInput, "instruction" | "root">,
  model: Parameters<typeof planRead>[1],
  settings: Partial<ReadOptions> = {},
): { readonly topics: number; readonly calls: number; readonly promptTokens: number } {
  let calls = 0;
  let promptTokens = 0;
  const open = [input.root];
  for (let at = 0; at < open.length; at++) {
    const { topics = [], chunks = [] } = open[at]!;
    if (topics.length > 0) {
      calls += topics.length > 1 ? 1 : 0;
      open.push(...topics);
    } else {
      const plan = planRead({ instruction: input.instruction, chunks }, model, settings);
      calls += plan.calls;
      promptTokens += plan.promptTokens;
    }
  }
  return { topics: open.length, calls, promptTokens };
}

function countTopics({ topics = [] }: TopicToRead): number {
  return topics.reduce((sum, topic) => sum + countTopics(topic), 1);
}
