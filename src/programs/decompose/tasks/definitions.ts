import { QuireError } from "../../../errors.js";
import { seededRandom } from "../../../structure/random.js";
import type { ProgramContext } from "../../program.js";
import { iterate, recursive } from "../combinators.js";
import { windows } from "../windows.js";
import { type Solved, type Task, user } from "./task.js";

/** Long text with reasoning: the value of a variable whose definition (x = y + z) and those it rests on are hidden in a long text. Two
 *  programs: rounds over all windows that collect what is still needed, and a recursion from the variable asked for. Definitions that a
 *  model makes up in another form are passed over. NaN, and one unread, where no value comes out. */

export interface DefinitionsText {
  readonly text: string;
  readonly of: string;
}

const copyTokens = 96;
const sentence = 32;

export const definitions: Task<DefinitionsText, number> = {
  name: "reasoning",
  title: "a value that rests on facts far apart, in rounds",
  unit: "characters",
  leastPart: 2 * sentence,
  sizeOf: ({ text }) => text.length,
  firstRound: ({ text, of }, size) => windowCalls(text, size, [of]),
  solve: solveInRounds,
  error: (answer, truth) => (answer === truth ? 0 : 1),
  draw,
};

export const definitionsByRecursion: Task<DefinitionsText, number> = {
  ...definitions,
  name: "recursion",
  title: "a value that rests on facts far apart, from the end to the beginning",
  solve: solveByRecursion,
};

const mostRounds = 8;

/** Each round asks every window for the variables still missing; the program works out what can be. */
async function solveInRounds(input: DefinitionsText, size: number, context: ProgramContext): Promise<Solved<number>> {
  const { result } = await iterate<ReadonlyMap<string, readonly string[]>, number>(
    context,
    "round",
    new Map(),
    mostRounds,
    async (known, inner) => {
      const needed = missing(input.of, known);
      const found = await inner.map("window", windowCalls(input.text, size, needed), async (window, leaf) =>
        readDefinitions((await leaf.ask(window)).text),
      );
      const more = new Map(known);
      for (const [name, terms] of found.flat()) if (needed.includes(name) && !more.has(name)) more.set(name, terms);
      if (more.size === known.size) return "stuck";
      const value = solved(input.of, more);
      return value === undefined ? { state: more } : { result: value };
    },
  );
  return { answer: result ?? Number.NaN, unread: result === undefined ? 1 : 0 };
}

async function solveByRecursion(
  input: DefinitionsText,
  size: number,
  context: ProgramContext,
): Promise<Solved<number>> {
  const answer = await recursive<string, number>(context, "value of", input.of, async (name, other, inner) => {
    const found = await inner.map("window", windowCalls(input.text, size, [name]), async (window, leaf) =>
      readDefinitions((await leaf.ask(window)).text),
    );
    const terms = found.flat().find(([defined]) => defined === name)?.[1];
    if (terms === undefined) return Number.NaN;
    let sum = 0;
    for (const term of terms) sum += /^\d+$/.test(term) ? Number(term) : await other(term);
    return sum;
  });
  return { answer, unread: Number.isNaN(answer) ? 1 : 0 };
}

function windowCalls(text: string, size: number, names: readonly string[]) {
  return windows(text.length, size, Math.ceil(size / 2)).map(({ start, end }) => ({
    messages: user(
      `${text.slice(start, end)}\n\nCopy every equation from the text that begins with ${names.map((name) => `"${name} ="`).join(" or ")}, and nothing else. If there is none, answer: None`,
    ),
    maxTokens: copyTokens,
  }));
}

/** "x = y + 3" anywhere in a reply. */
export function readDefinitions(reply: string): [name: string, terms: readonly string[]][] {
  return [...reply.matchAll(/\b([a-z]\d{1,3})\s*=\s*((?:[a-z]\d{1,3}|\d+)(?:\s*\+\s*(?:[a-z]\d{1,3}|\d+))*)/g)].map(
    ([, name, terms]) => [name!, terms!.split("+").map((term) => term.trim())],
  );
}

/** What must be found to know the value, of what is not known. */
function missing(of: string, known: ReadonlyMap<string, readonly string[]>): string[] {
  const wanted = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) throw circle([...path, name]);
    const terms = known.get(name);
    if (terms === undefined) wanted.add(name);
    else for (const term of terms) if (!/^\d+$/.test(term)) visit(term, [...path, name]);
  };
  visit(of, []);
  return [...wanted];
}

function solved(of: string, known: ReadonlyMap<string, readonly string[]>): number | undefined {
  if (missing(of, known).length > 0) return;
  const value = (name: string): number =>
    known.get(name)!.reduce((sum, term) => sum + (/^\d+$/.test(term) ? Number(term) : value(term)), 0);
  return value(of);
}

function circle(path: readonly string[]): QuireError {
  return new QuireError("bad-input", `${path.at(-1)} rests on itself: ${path.join(" → ")}.`, {
    got: path.join(" → "),
    expected: "definitions without a circle",
  });
}

/** Four variables, each resting on those after it: a diamond. */
function draw(size: number, seed: number): { input: DefinitionsText; truth: number } {
  const random = seededRandom(seed);
  const names: string[] = [];
  while (names.length < 12) {
    const name = `${String.fromCharCode(97 + random.below(26))}${random.below(90) + 10}`;
    if (!names.includes(name)) names.push(name);
  }
  const [a, b, c, d, ...others] = names as [string, string, string, string, ...string[]];
  const [one, two] = [random.below(50) + 1, random.below(50) + 1];
  const needed = [`${a} = ${b} + ${c}`, `${b} = ${d} + ${one}`, `${c} = ${d}`, `${d} = ${two}`];
  const places = needed.map((text) => ({ at: Math.floor((0.02 + 0.85 * random.uniform()) * size), text: `${text}. ` }));
  places.sort((x, y) => x.at - y.at);
  let text = "";
  for (;;) {
    while (places.length > 0 && text.length >= places[0]!.at) text += places.shift()!.text;
    const noise = `${others[random.below(others.length)]} = ${random.below(90) + 1}. `;
    const rest = places.reduce((sum, place) => sum + place.text.length, 0);
    if (text.length + noise.length + rest > size) break;
    text += noise;
  }
  text += places.map((place) => place.text).join("");
  return { input: { text: text.trimEnd(), of: a }, truth: 2 * two + one };
}
