/** What workers are told, and the marks that hold their common transcript together. None of it is read back: the transcript is kept as
 *  tokens by worker and step. */

/** Names that are given when only a number was asked for; as many workers are possible. */
export const defaultNames = ["Alice", "Bob", "Carol", "David", "Emma", "Frank", "Grace", "Henry"] as const;

/** Stands after the prompt, before anybody writes. */
export function rulesFor(names: readonly string[]): string {
  const all = names.length === 1 ? (names[0] as string) : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  const together =
    names.length === 1
      ? `${all} works on this alone, step by step.`
      : [
          `${all} work on this together. They write at the same time, and each of them sees at once what the others are writing, even in the middle of a sentence.`,
          "First they agree on who does what. Then each does a different part, uses what the others have found, points out their mistakes, and never repeats what somebody else is already doing.",
          "Whoever sees that another has finished a part takes the next one, or checks the result.",
        ].join("\n");
  return `\n\n${together}\nA step is a paragraph or two and ends with a full stop. Finished steps come first, in the order in which they were finished.\n\n# Finished steps\n\n`;
}

/** Stands before what the others have not finished yet. */
export const othersHeading = "# In progress (the others)\n\n";

/** Stands between the others' unfinished text and one's own. */
export const ownHeading = " <...>\n\n# In progress (this one)\n\n";

export function stepLabel(name: string, step: number): string {
  return `**${name} [${step}]:**`;
}

/** What a worker is made to begin with; the first is to make a plan. */
export function opening(name: string, isFirst: boolean): string {
  const greeting = ` Hi, ${name} here.`;
  return isFirst ? `${greeting} I suggest that we divide the work like this:` : greeting;
}

/** Put into a worker's mouth from time to time. */
export const redundancyQuestion =
  " Quick check: is what I am doing now already being done by somebody else (yes or no)?";

/** Stands after everything that was written when nobody came to an answer. */
export const finisher =
  "\n\nThe time is up. Judging by everything that was tried above, the final answer is:\n\n\\boxed{";

/** Marks text that breaks off. */
export const breakOff = " <...>\n\n";
