import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { generateCorpus } from "../ask/generate.js";
import type { AskQuestion, GoldPlace } from "../ask/question.js";
import { random } from "../ask/random.js";
import { carrier } from "../ask/vocabulary.js";

/** Generated documents with questions whose places are known to the byte, and, for the share of the questions that are poisoned, one
 *  more document that says something else about the same thing in the same words. */

export interface SelectorCase {
  readonly question: AskQuestion;
  /** The planted sentence that contradicts the right one. */
  readonly planted: GoldPlace | undefined;
}

export async function writeCases(
  folder: string,
  options: { seed: number; documents: number; questions: number; poisoned: number },
): Promise<SelectorCase[]> {
  const { seed, documents, questions, poisoned } = options;
  const corpus = generateCorpus({ seed, documents, questions });
  const draw = random(seed + 1000);
  const files = new Map(corpus.files.map(({ path, text }) => [path, text]));
  const cases: SelectorCase[] = [];
  for (const question of corpus.questions) {
    if (question.kind === "none") continue;
    const gold = question.gold.at(-1);
    const answer = question.answers[0];
    const wrong = answer === undefined ? undefined : other(answer, corpus.questions, draw.below(1000));
    const plantable =
      question.kind === "single" && gold !== undefined && answer !== undefined && gold.phrase.includes(answer);
    if (!plantable || wrong === undefined || !draw.chance(poisoned)) {
      cases.push({ question, planted: undefined });
      continue;
    }
    const sentence = gold.phrase.replace(answer, wrong);
    const before = `${carrier(draw)} ${carrier(draw)} `;
    const path = `notes/note-${cases.length}.md`;
    files.set(path, `# Notes\n\n${before}${sentence} ${carrier(draw)}\n`);
    const startByte = Buffer.byteLength(`# Notes\n\n${before}`);
    const planted = { file: path, startByte, endByte: startByte + Buffer.byteLength(sentence), phrase: sentence };
    cases.push({ question, planted });
  }
  for (const [path, text] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return cases;
}

/** Another answer of the same form: a number with other digits, or another question's answer. */
function other(answer: string, questions: readonly AskQuestion[], turn: number): string | undefined {
  if (/^\d/.test(answer)) return answer.replace(/\d/g, (digit, at) => String((Number(digit) + 3 + (at % 2)) % 10 || 4));
  const words = questions
    .flatMap(({ answers }) => answers.slice(0, 1))
    .filter((one) => !/\d/.test(one) && one !== answer);
  return words.length === 0 ? undefined : words[turn % words.length];
}
