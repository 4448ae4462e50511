/** What is continued. Quoting: most of the answer stands in the prompt already, as when a passage is cited or code is edited. Free: it
 *  does not, so that drafts copied from the prompt are seldom right. */

export interface Task {
  readonly name: string;
  readonly kind: "quoting" | "free";
  readonly prompt: string;
}

const passage = `The lighthouse on Gull Point was lit for the first time on 14 March 1842. Its lamp burned whale oil until 1871, when the
keeper, Elias Thorne, had a burner for petroleum fitted at his own expense. The tower is 31 metres high and has 168 steps.
Ships passing the shoals at night were told to keep the light north by east until the church of Saint Brannock came into
view. In the storm of 1903 the gallery was torn away; repairs took two winters and cost 1,200 pounds. Since 1962 nobody
has lived there, and since 1988 the lamp is switched on by a clock.`;

const code = `export interface Order {
  readonly id: string;
  readonly items: readonly Item[];
  readonly discount: number;
}

export function priceOf(order: Order): number {
  let total = 0;
  for (const item of order.items) {
    total += item.price * item.count;
  }
  return total * (1 - order.discount);
}

export function heaviest(order: Order): Item | undefined {
  let found: Item | undefined;
  for (const item of order.items) {
    if (found === undefined || item.weight > found.weight) found = item;
  }
  return found;
}
`;

const table = `name,town,founded,members
Harbour Choir,Wexcombe,1921,42
Night Anglers,Saltby,1987,17
Society of Bell Ringers,Upper Thorne,1764,29
Fell Runners,Garth,1959,88
Chess Circle,Wexcombe,1933,23
Beekeepers' Union,Long Marsh,1902,61
`;

export const tasks: readonly Task[] = [
  {
    name: "cites its evidence",
    kind: "quoting",
    prompt: `Document 1:\n${passage}\n\nThe full text of document 1, quoted word for word as evidence:\n"The lighthouse on Gull Point`,
  },
  {
    name: "edits code",
    kind: "quoting",
    prompt: `Before:\n\n${code}\nAfter renaming the interface Order to Basket, all else unchanged:\n\nexport interface Basket {\n  readonly id: string;\n`,
  },
  {
    name: "copies a table",
    kind: "quoting",
    prompt: `Input:\n${table}\nThe same lines, with nothing changed:\nname,town,founded,members\nHarbour Choir,`,
  },
  { name: "tells a story", kind: "free", prompt: "Once upon a time, in a village by the sea, there lived a girl who" },
  { name: "explains", kind: "free", prompt: "Question: Why does bread rise in the oven?\nAnswer: Bread rises because" },
];

/** Openings for counting how many tokens a call brings. */
export const openings: readonly string[] = [
  "The history of the lighthouse begins in the year 1842, when",
  "def fibonacci(n):\n    ",
  "Ten things to take on a long walk:\n1. Water\n2.",
  "Question: Why does bread rise?\nAnswer:",
  "Dear Sir or Madam,\n\nI am writing to",
  "The main cause of the French Revolution was",
];
