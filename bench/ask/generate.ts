import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Attribute, attributes, type Kind } from "./facts.js";
import type { AskQuestion, GoldPlace } from "./question.js";
import { type Random, random } from "./random.js";
import { carrier, name } from "./vocabulary.js";

/** Documents about invented things, and questions whose answers and places are known by construction: one fact, two facts in two
 *  documents, and facts that stand nowhere. The same seed gives the same bytes. */

export interface CorpusOptions {
  readonly seed: number;
  readonly documents?: number;
  readonly questions?: number;
}

export interface GeneratedCorpus {
  readonly files: readonly { readonly path: string; readonly text: string }[];
  readonly questions: readonly AskQuestion[];
}

interface Thing {
  readonly kind: Kind;
  readonly name: string;
  readonly path: string;
  /** Attribute key to the value as shown, for what its document states. */
  readonly facts: Map<string, { value: string; answers: string[]; target?: Thing; place?: GoldPlace }>;
}

const shares: Readonly<Record<Kind, number>> = { company: 0.2, person: 0.3, town: 0.2, device: 0.15, bird: 0.15 };
const sectionTitles = [
  "Overview",
  "Background",
  "Further notes",
  "From the files",
  "Remarks",
  "History",
  "Details",
] as const;

export function generateCorpus({ seed, documents = 200, questions = 100 }: CorpusOptions): GeneratedCorpus {
  const draw = random(seed);
  const taken = new Set<string>();
  const things = makeThings(draw, documents, taken);
  for (const thing of things) giveFacts(draw, thing, things, taken);
  const files = things.map((thing) => ({ path: thing.path, text: writeDocument(draw, thing) }));
  return { files, questions: makeQuestions(draw, things, questions, taken) };
}

export async function writeCorpus(folder: string, corpus: GeneratedCorpus): Promise<void> {
  for (const { path, text } of corpus.files) {
    await mkdir(dirname(join(folder, "docs", path)), { recursive: true });
    await writeFile(join(folder, "docs", path), text);
  }
  const lines = corpus.questions.map((question) => `${JSON.stringify(question)}\n`).join("");
  await writeFile(join(folder, "questions.jsonl"), lines);
}

function makeThings(draw: Random, count: number, taken: Set<string>): Thing[] {
  const kinds = (Object.keys(shares) as Kind[]).flatMap((kind) =>
    Array<Kind>(Math.max(2, Math.round(count * shares[kind]))).fill(kind),
  );
  const firsts: string[] = [];
  return kinds.map((kind, i) => {
    // One name in four begins like another thing's: near copies that must not be mixed up.
    const again = (kind === "company" || kind === "bird") && firsts.length > 0 && draw.chance(0.25);
    const first = again ? draw.pick(firsts) : name(draw, taken);
    if (kind !== "person") firsts.push(first);
    const full = fullName(draw, kind, first, taken);
    taken.add(full);
    const slug = full
      .toLowerCase()
      .normalize("NFKD")
      .replace(/[^a-z0-9]+/g, "-");
    const path = `${folders[kind]}/${slug}-${i}.${draw.chance(0.8) ? "md" : "txt"}`;
    return { kind, name: full, path, facts: new Map() };
  });
}

function fullName(draw: Random, kind: Kind, first: string, taken: Set<string>): string {
  if (kind === "person") return `${first} ${name(draw, taken)}`;
  if (kind !== "company" && kind !== "bird") return first;
  const free = (kind === "bird" ? birdNouns : companyEndings).filter((second) => !taken.has(`${first} ${second}`));
  return free.length > 0 ? `${first} ${draw.pick(free)}` : `${name(draw, taken)} ${draw.pick(companyEndings)}`;
}

const birdNouns = ["heron", "warbler", "plover", "kite", "crake"] as const;
const companyEndings = ["Works", "Mills", "Brothers", "Union", "Trading", "Forge", "Partners"] as const;
const folders: Readonly<Record<Kind, string>> = {
  company: "companies",
  person: "people",
  town: "places/towns",
  device: "software",
  bird: "nature/birds",
};

/** States all attributes but two. */
function giveFacts(draw: Random, thing: Thing, things: readonly Thing[], taken: Set<string>): void {
  const all = attributes[thing.kind];
  for (const attribute of draw.shuffle(all).slice(0, all.length - 2)) {
    const { leads } = attribute;
    if (leads !== undefined) {
      const target = draw.pick(things.filter((other) => other.kind === leads.to && other !== thing));
      thing.facts.set(attribute.key, { value: target.name, answers: [target.name], target });
    } else thing.facts.set(attribute.key, makeValue(draw, attribute, taken));
  }
}

function makeValue(draw: Random, attribute: Attribute, taken: Set<string>): { value: string; answers: string[] } {
  const { value, from = 0, to = 0, unit } = attribute;
  if (value === "year") {
    const year = String(1702 + draw.below(290));
    return { value: year, answers: [year] };
  }
  if (value === "number") {
    const number = from + draw.below(to - from);
    const shown =
      attribute.key === "port" || number < 1000 || draw.chance(0.3) ? `${number}` : number.toLocaleString("en");
    return { value: unit === undefined ? shown : `${shown} ${unit}`, answers: [shown] };
  }
  if (value === "list") {
    const item = draw.pick(attribute.list ?? []);
    return { value: item, answers: [item.replace(/^(an?|the) /, "")] };
  }
  const made = attribute.key === "river" ? name(draw, taken) : `${name(draw, taken)} ${name(draw, taken)}`;
  return { value: made, answers: [made] };
}

function writeDocument(draw: Random, thing: Thing): string {
  const facts = attributes[thing.kind].filter(({ key }) => thing.facts.has(key));
  const sentences: { text: string; key?: string }[] = [];
  for (const { key, stated } of draw.shuffle(facts)) {
    for (let i = draw.below(5) + 1; i > 0; i--) sentences.push({ text: carrier(draw) });
    const value = thing.facts.get(key)?.value ?? "";
    const text = draw.pick(stated).replaceAll("{x}", thing.name).replaceAll("{v}", value);
    sentences.push({ text: text.charAt(0).toUpperCase() + text.slice(1), key });
  }
  for (let i = draw.below(4) + 1; i > 0; i--) sentences.push({ text: carrier(draw) });
  const markdown = thing.path.endsWith(".md");
  const title = thing.name;
  let text = markdown ? `# ${title}\n` : `${title}\n${"=".repeat(title.length)}\n`;
  let left = 0;
  let paragraph = 0;
  for (const sentence of sentences) {
    if (left === 0) {
      left = 2 + draw.below(4);
      const section = paragraph++ % 2 === 1 ? draw.pick(sectionTitles) : undefined;
      text += section === undefined ? "\n" : markdown ? `\n\n## ${section}\n\n` : `\n\n${section}\n\n`;
    } else text += " ";
    const startByte = Buffer.byteLength(text);
    text += sentence.text;
    const fact = sentence.key === undefined ? undefined : thing.facts.get(sentence.key);
    if (fact !== undefined) {
      fact.place = { file: thing.path, startByte, endByte: Buffer.byteLength(text), phrase: sentence.text };
    }
    if (--left === 0) text += "\n";
  }
  return text.endsWith("\n") ? text : `${text}\n`;
}

function makeQuestions(draw: Random, things: readonly Thing[], count: number, taken: Set<string>): AskQuestion[] {
  const single = Math.round(count * 0.4);
  const double = Math.round(count * 0.3);
  const asked = new Set<string>();
  const made: Omit<AskQuestion, "id">[] = [];
  const until = (size: number, make: () => Omit<AskQuestion, "id"> | undefined) => {
    for (let tries = 0; made.length < size && tries < 100_000; tries++) {
      const question = make();
      if (question === undefined || asked.has(question.question)) continue;
      asked.add(question.question);
      made.push(question);
    }
  };
  const ask = (attribute: Attribute, of: string): Pick<AskQuestion, "question" | "wording"> => {
    const otherwise = draw.chance(0.4);
    return {
      question: (otherwise ? attribute.askedOtherwise : attribute.asked).replaceAll("{x}", of),
      wording: otherwise ? "paraphrase" : "direct",
    };
  };

  until(single, () => {
    const thing = draw.pick(things);
    const attribute = draw.pick(attributes[thing.kind]);
    const fact = thing.facts.get(attribute.key);
    if (fact?.place === undefined) return;
    return { kind: "single", ...ask(attribute, thing.name), answers: fact.answers, gold: [fact.place] };
  });
  until(single + double, () => {
    const thing = draw.pick(things);
    const lead = attributes[thing.kind].find(({ key, leads }) => leads !== undefined && thing.facts.has(key));
    const first = lead === undefined ? undefined : thing.facts.get(lead.key);
    if (lead?.leads === undefined || first?.target === undefined || first.place === undefined) return;
    const attribute = draw.pick(attributes[first.target.kind]);
    const second = first.target.facts.get(attribute.key);
    if (second?.place === undefined || first.target === thing || second.target === thing) return;
    const chain = lead.leads.as.replaceAll("{x}", thing.name);
    return { kind: "two-hop", ...ask(attribute, chain), answers: second.answers, gold: [first.place, second.place] };
  });
  until(count, () => {
    const thing = draw.pick(things);
    const attribute = draw.pick(attributes[thing.kind]);
    if (draw.chance(1 / 3)) {
      const known = thing.name.split(" ");
      const stranger = [name(draw, taken), ...known.slice(1)].join(" ");
      return { kind: "none", ...ask(attribute, stranger), answers: [], gold: [], missing: "thing" };
    }
    if (thing.facts.has(attribute.key)) return;
    return { kind: "none", ...ask(attribute, thing.name), answers: [], gold: [], missing: "fact" };
  });
  return made.map((question, i) => ({ id: `q${String(i + 1).padStart(3, "0")}`, ...question }));
}
