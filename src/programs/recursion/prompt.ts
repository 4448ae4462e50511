import type { RecursionCase, RecursionQuestion } from "./recursion-case.js";

/** The words a model is asked with: what the task is, at one of three levels, demonstrations, and the input. Symbols stand apart, since
 *  models read them badly where they are fused. */

export const descriptionLevels = ["none", "informal", "formal"] as const;

export type DescriptionLevel = (typeof descriptionLevels)[number];

export function promptFor(
  question: RecursionQuestion,
  level: DescriptionLevel,
  shown: readonly RecursionCase[],
  input: readonly string[],
): string {
  const description = level === "none" ? [] : [describe(question, level)];
  const apart = question.mode === "reduce" ? "\n\n" : "\n";
  const asked = question.mode === "reduce" ? input.join(" ") : `${input.join(" ")} ->`;
  const demonstrations = shown.map((one) => demonstration(question, one)).join(apart);
  return [...description, ...(shown.length === 0 ? [] : [demonstrations]), asked].join("\n\n");
}

/** What a right reply to the input looks like. */
export function rightReply(question: RecursionQuestion, { states }: RecursionCase): string {
  const later = states.slice(1).map((state) => state.join(" "));
  return question.mode === "reduce" ? later.map((state) => `= ${state}`).join("\n") : (later[0] ?? "");
}

function demonstration(question: RecursionQuestion, shown: RecursionCase): string {
  const reply = rightReply(question, shown);
  return question.mode === "reduce" ? `${shown.input.join(" ")}\n${reply}` : `${shown.input.join(" ")} -> ${reply}`;
}

function describe(question: RecursionQuestion, level: "informal" | "formal"): string {
  const { mode } = question;
  const what = question.function === "succ" ? numbers(question, level) : trees(question, level);
  if (mode === "answer")
    return `${what}\n${question.function === "succ" ? "Write the number after the given one" : "Write the labels"}, and nothing else.`;
  const states = question.function === "succ" ? numberStates(question) : treeStates(question);
  if (mode === "reduce")
    return `${what}\n${states}\nWrite every state that follows, one a line, each after "="; the last one is the result.`;
  return `${what}\n${states}\nWrite the state after one step, and nothing else.`;
}

function numbers({ order }: RecursionQuestion, level: "informal" | "formal"): string {
  const natural = order === "natural";
  if (level === "formal") {
    const rules = natural
      ? ["s(01) = X0 01", "s(X0 b) = X1 b", "s(X1 b) = X0 s(b)"]
      : ["s(01) = 01 X0", "s(b X0) = b X1", "s(b X1) = s(b) X0"];
    return `${rules.join("\n")}\nThe function s gives the next binary number.`;
  }
  const side = natural ? "in front of" : "after";
  return `Binary numbers are written with the symbols 01, X0 and X1: 01 is one, X0 ${side} a number is twice that number, and X1 ${side} it is twice the number and one more.`;
}

function numberStates({ order }: RecursionQuestion): string {
  return order === "natural"
    ? 'To add one, a mark "s" moves through the number: s X1 becomes X0 s, s X0 becomes X1 and ends, s 01 becomes X0 01 and ends. One step moves it over one symbol.'
    : 'To add one, a mark "s" moves through the number from its end: X1 s becomes s X0, X0 s becomes X1 and ends, 01 s becomes 01 X0 and ends. One step moves it over one symbol.';
}

const places = {
  pre: "the label first, then those of the left subtree, then those of the right subtree",
  in: "the labels of the left subtree first, then the label, then those of the right subtree",
  post: "the labels of the left subtree first, then those of the right subtree, then the label",
} as const;

function trees({ function: name }: RecursionQuestion, level: "informal" | "formal"): string {
  if (name === "succ") return "";
  if (level === "formal") {
    const value = { pre: "v f(L) f(R)", in: "f(L) v f(R)", post: "f(L) f(R) v" }[name];
    return `f(.) =\nf(( v L R )) = ${value}\nThe function f lists the labels of a tree.`;
  }
  return `A tree is empty, written ".", or a label with a left and a right subtree, written "( label left right )". Its labels are listed in this order: ${places[name]}.`;
}

function treeStates({ function: name, steps }: RecursionQuestion): string {
  if (name === "succ") return "";
  const rewritten = { pre: "v [ L ] [ R ]", in: "[ L ] v [ R ]", post: "[ L ] [ R ] v" }[name];
  const which = steps === "level" ? "every tree in square brackets once" : "the first tree in square brackets";
  return `A state is a list of labels and of trees in square brackets that are still to be listed. One step rewrites ${which}: [ ( v L R ) ] becomes ${rewritten}, and [ . ] vanishes.`;
}
