import type { ChatMessage } from "../../language-model.js";
import type { ProgramContext } from "../../program.js";

/** A task that is taken apart: how big it is, where it is cut, what each call is asked, what is made of the answers, and how wrong an
 *  answer is. Instances with known answers can be drawn, so that the error of each part size can be measured. */

export interface Task<Input, Answer> {
  readonly name: string;
  readonly title: string;
  /** What sizes are counted in. */
  readonly unit: "characters" | "numbers";
  sizeOf(input: Input): number;
  /** Smallest part that makes sense. */
  readonly leastPart: number;
  /** What the first round of calls is asked, with parts of this size: all that is known before the run. */
  firstRound(input: Input, size: number): { readonly messages: readonly ChatMessage[]; readonly maxTokens: number }[];
  solve(input: Input, size: number, context: ProgramContext): Promise<Solved<Answer>>;
  /** 0 is right; what 1 means is the task's own. */
  error(answer: Answer, truth: Answer): number;
  /** The same seed draws the same. */
  draw(size: number, seed: number): { readonly input: Input; readonly truth: Answer };
}

export interface Solved<Answer> {
  readonly answer: Answer;
  /** Answers that could not be read. What stood in for them is the task's own, and said on its page. */
  readonly unread: number;
}

/** One call in a node of its own, so that the trace shows every call. */
export async function askOnce(
  context: ProgramContext,
  name: string,
  messages: readonly ChatMessage[],
  maxTokens: number,
): Promise<string> {
  const { text } = await context.child(name, (inner) => inner.ask({ messages, maxTokens }));
  return text;
}

export function user(content: string): ChatMessage[] {
  return [{ role: "user", content }];
}
