import type { Tokenizer } from "../../src/text/tokenizer.js";
import { random } from "../ask/random.js";
import type { ForcedText } from "./forced-run.js";

/** What the policies are tried on. Every task is a prompt and a continuation as it should be; some of its tokens count. */

export interface Case extends ForcedText {
  readonly task: "perplexity" | "needle" | "key-value" | "recurrence";
  /** Task and size, as the table says it. */
  readonly setting: string;
  readonly id: string;
  /** Tokens of which a budget is a share. */
  readonly length: number;
  /** Answers are right or wrong as wholes. */
  readonly exact: boolean;
}

/** Excerpts from evenly spread places: the first tokens are the prompt, the rest is scored. */
export function perplexityCases(
  tokens: Int32Array,
  { texts, prompt, scored, bos }: { texts: number; prompt: number; scored: number; bos: number | undefined },
): Case[] {
  const first = bos === undefined ? [] : [bos];
  const size = prompt + scored - first.length;
  if (tokens.length < size) throw new RangeError(`The text has ${tokens.length} tokens, ${size} are needed.`);
  return Array.from({ length: texts }, (_, i) => {
    const start = Math.floor(((tokens.length - size) * i) / Math.max(1, texts - 1));
    const excerpt = Int32Array.from([...first, ...tokens.subarray(start, start + size)]);
    return {
      task: "perplexity",
      setting: `perplexity, ${prompt} + ${scored} tokens`,
      id: `perplexity ${prompt} ${scored} at ${start}`,
      prompt: excerpt.subarray(0, prompt),
      forced: excerpt.subarray(prompt),
      length: prompt,
      exact: false,
    };
  });
}

const filler = [
  "The grass is green and the sky is blue.",
  "A slow train went over the bridge at noon.",
  "She put the kettle on and opened the window.",
  "There were four boats in the harbour that day.",
  "The road turns left behind the old mill.",
  "He read the paper and said nothing for a while.",
  "In the garden the first pears were ripe.",
  "They walked home along the river before dark.",
];

/** A five-digit key somewhere in filler; the question comes after the memory was cut, so nobody knows what to keep. */
export function needleCases(
  tokenizer: Tokenizer,
  { tokens, depths, seed }: { tokens: number; depths: readonly number[]; seed: number },
): Case[] {
  return depths.map((depth, i) => {
    const draw = random(seed * 1000 + i);
    const key = String(10000 + draw.below(90000));
    const line = `The pass key is ${key}. Remember it, ${key} is the pass key.`;
    const lines: string[] = [];
    const size = (text: string) => tokenizer.encode(text).length;
    const perLine = size(filler.join(" ")) / filler.length;
    const count = Math.max(1, Math.floor((tokens - size(line) - 4) / perLine));
    for (let n = 0; n < count; n++) lines.push(draw.pick(filler));
    lines.splice(Math.round(depth * count), 0, line);
    return recallCase(tokenizer, {
      task: "needle",
      setting: `needle, ${tokens} tokens`,
      id: `needle ${tokens} ${depth} ${seed}`,
      context: lines.join(" "),
      asked: [[" What is the pass key? The pass key is", ` ${key}`]],
      given: 0,
    });
  });
}

const things =
  "apple bridge candle desk engine flower garden hammer island jacket kettle ladder mirror needle orange pencil quilt river saddle table umbrella violin wagon yard zebra anchor basket carpet drum eagle feather glove helmet ink jar knife lamp map nest oven piano ring ship tower vase wheel axe bell coin".split(
    " ",
  );

/** Many facts of one kind; some are asked for, one after the other, after the memory was cut. The first two digits, which no other
 *  has, are given: small models find a record by its beginning, but not by its name. */
export function keyValueCase(
  tokenizer: Tokenizer,
  { pairs, questions, seed }: { pairs: number; questions: number; seed: number },
): Case {
  const draw = random(seed * 7919);
  const names = draw.shuffle(things).slice(0, pairs);
  const beginnings = draw.shuffle(Array.from({ length: 90 }, (_, i) => 10 + i));
  const codes = names.map((_, i) => `${beginnings[i]}${1000 + draw.below(9000)}`);
  const asked = Array.from({ length: questions }, (_, i) => Math.floor(((i + 0.5) * names.length) / questions));
  return recallCase(tokenizer, {
    task: "key-value",
    setting: `key-value, ${names.length} pairs, ${questions} asked for`,
    id: `key-value ${names.length} ${questions} ${seed}`,
    context: names.map((name, i) => `The code of the ${name} is ${codes[i]}.`).join("\n"),
    asked: draw.shuffle(asked).map((i) => [`\nThe code of the ${names[i]} is`, ` ${codes[i]}`]),
    given: 2,
  });
}

interface Recall {
  readonly task: Case["task"];
  readonly setting: string;
  readonly id: string;
  readonly context: string;
  /** Questions and answers. */
  readonly asked: readonly (readonly [string, string])[];
  /** Tokens of each answer that do not count. */
  readonly given: number;
}

function recallCase(tokenizer: Tokenizer, { context, asked, given, ...head }: Recall): Case {
  const prompt = tokenizer.encode(context, { bos: true });
  const [space] = tokenizer.encode(" ");
  const forced: number[] = [];
  const answers: number[][] = [];
  for (const [question, answer] of asked) {
    forced.push(...tokenizer.encode(question));
    const told = tokenizer.encode(answer);
    // A leading space may be a token of its own, which is no part of the answer.
    const first = (told[0] === space ? 1 : 0) + given;
    answers.push(Array.from({ length: told.length - first }, (_, i) => forced.length + first + i));
    forced.push(...told, ...tokenizer.encode("."));
  }
  return { ...head, prompt, forced: Int32Array.from(forced), answers, length: prompt.length, exact: true };
}

/** Records consulted again and again in a long text that is being written: each at its own rhythm. Only consulted values count. */
export function recurrenceCase(
  tokenizer: Tokenizer,
  { records, tokens, seed }: { records: number; tokens: number; seed: number },
): Case {
  const draw = random(seed * 104729);
  const names = draw.shuffle(things).slice(0, records);
  const codes = names.map(() => String(1000 + draw.below(9000)));
  const opening = names.map((name, i) => `The code of the ${name} is ${codes[i]}.`).join("\n");
  const prompt = tokenizer.encode(`${opening}\n`, { bos: true });
  // Lines between two consultations of a record: about 20 to 80 tokens.
  const rhythms = names.map((_, i) => 2 + ((i * 3) % 6));
  const forced: number[] = [];
  const answers: number[][] = [];
  const [space] = tokenizer.encode(" ");
  for (let line = 1; forced.length < tokens; line++) {
    for (const [i, name] of names.entries()) {
      if (line % (rhythms[i] as number) !== 0) continue;
      forced.push(...tokenizer.encode(`The code of the ${name} is`));
      const value = tokenizer.encode(` ${codes[i]}`);
      const first = value[0] === space ? 1 : 0;
      answers.push(Array.from({ length: value.length - first }, (_, place) => forced.length + first + place));
      forced.push(...value);
      forced.push(...tokenizer.encode(".\n"));
    }
    forced.push(...tokenizer.encode(`${draw.pick(filler)}\n`));
  }
  return {
    task: "recurrence",
    setting: `recurrence, ${forced.length} tokens written`,
    id: `recurrence ${records} ${tokens} ${seed}`,
    prompt,
    forced: Int32Array.from(forced),
    answers,
    length: prompt.length + forced.length,
    exact: true,
  };
}
