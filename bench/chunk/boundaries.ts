import { sentences } from "../../src/corpus/chunk/sentence-spans.js";
import { generateCorpus } from "../ask/generate.js";
import { random } from "../ask/random.js";

/** Texts glued together of parts about different things, so that the right cuts are known, and how near cuts come to them. */

export interface JoinedText {
  readonly uri: string;
  readonly text: string;
  /** Where a part begins, the first left out. */
  readonly joins: readonly number[];
}

/** Prose of several things in one text, without headings or blank lines. */
export function joinedProse(seed: number, documents: number, parts: number): JoinedText[] {
  const draw = random(seed);
  const { files } = generateCorpus({ seed, documents: Math.max(12, documents * parts), questions: 0 });
  const bodies = draw.shuffle(files).map(({ text }) => proseOf(text));
  return Array.from({ length: documents }, (_, i) => {
    const own = Array.from({ length: parts }, (_, p) => {
      const body = bodies[(i * parts + p) % bodies.length] ?? "";
      const starts = [...sentences(body, (words) => words.length)].map(({ start }) => start);
      return body.slice(0, starts[3 + draw.below(11)] ?? body.length).trim();
    });
    return glued(`joined-${i}.txt`, own, " ");
  });
}

export function glued(uri: string, parts: readonly string[], between: string): JoinedText {
  const joins: number[] = [];
  let text = "";
  for (const part of parts) {
    if (text !== "") {
      text += between;
      joins.push(text.length);
    }
    text += part;
  }
  return { uri, text, joins };
}

function proseOf(text: string): string {
  const lines = text.split("\n").filter((line, i, all) => !/^[#=]/.test(line) && !/^=+$/.test(all[i + 1] ?? ""));
  return lines
    .filter((line) => /[.!?]$/.test(line))
    .join(" ")
    .replace(/\s+/g, " ");
}

export interface BoundaryScores {
  readonly f1: number;
  readonly windowDiff: number;
}

/** `starts`: where units (sentences, functions) begin; a cut counts as right within one unit of a join. */
export function boundaryScores(
  starts: readonly number[],
  joins: readonly number[],
  cuts: readonly number[],
): BoundaryScores {
  const unitOf = (at: number): number => {
    const found = starts.findIndex((start) => start >= at);
    return found < 0 ? starts.length : found;
  };
  const wanted = joins.map(unitOf);
  const given = [...new Set(cuts.map(unitOf))].filter((unit) => unit > 0 && unit < starts.length);
  const left = new Set(given);
  let hits = 0;
  for (const unit of wanted) {
    const near = [unit, unit - 1, unit + 1].find((candidate) => left.has(candidate));
    if (near === undefined) continue;
    left.delete(near);
    hits++;
  }
  const precision = given.length === 0 ? 0 : hits / given.length;
  const recall = wanted.length === 0 ? 0 : hits / wanted.length;
  return {
    f1: precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall),
    windowDiff: windowDiff(starts.length, wanted, given),
  };
}

/** Share of windows of half a mean part in which the number of cuts is not that of joins. */
function windowDiff(units: number, wanted: readonly number[], given: readonly number[]): number {
  const width = Math.max(2, Math.round(units / (2 * (wanted.length + 1))));
  const within = (list: readonly number[], from: number) =>
    list.filter((unit) => unit > from && unit <= from + width).length;
  let wrong = 0;
  const windows = Math.max(1, units - width);
  for (let from = 0; from < windows; from++) if (within(wanted, from) !== within(given, from)) wrong++;
  return wrong / windows;
}
