/** The words of chunks as numbers: what the graph compares by and topics are named with. Words that carry no matter are left out,
 *  plurals meet their singular, and names with dots, dashes or underscores stay whole. */

export interface Vocabulary {
  /** Compared form of term t, and how it is written most often. */
  readonly stems: readonly string[];
  readonly shown: readonly string[];
  /** Chunks that hold term t. */
  readonly documentFrequency: Int32Array;
  /** Terms of chunk c, each once, ascending: terms[offsets[c] .. offsets[c + 1]), with their counts beside. */
  readonly offsets: Int32Array;
  readonly terms: Int32Array;
  readonly counts: Int32Array;
}

const pattern = /[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}]|[._-](?=[\p{L}\p{N}]))*/gu;
const longestTerm = 40;

const stopWords = new Set(
  `a an the this that these those it its he she his her him they them their we our us you your i my me who whom whose which what
  when where why how is are was were be been being am do does did done doing have has had having will would shall should can could
  may might must of in on at by for from to with without into onto about as and or but not no nor so if than then there here also
  too very just only any some each every both all most more much many own same such up down out over under again between during
  before after above below through while because until against per via let lets s t re ll ve d m e g i.e e.g etc use used using
  uses usually one two first second new like see make made makes well however therefore thus since otherwise either whether
  within upon yet still even now already cannot don doesn isn aren won wouldn example examples section chapter following note
  different certain given possible need needs needed way case cases set get gets take takes time times thing things another other
  others rather instead always never often sometimes const let await async readonly void undefined elif und der die das ist nicht ein eine mit von zu den im auf für
  le la les des une est dans pour que qui sur par de et el los las del un una es en por con para`.split(/\s+/),
);

export interface Word {
  readonly stem: string;
  readonly shown: string;
  /** Whether the word before it, which carries matter too, stands one space away. */
  readonly follows: boolean;
}

/** Words of a text that carry matter, in order. */
export function* wordsOf(text: string): Generator<Word> {
  let end = -1;
  for (const match of text.matchAll(pattern)) {
    const [shown] = match;
    const lower = shown.toLowerCase();
    if (lower.length < 2 || lower.length > longestTerm || stopWords.has(lower) || !/\p{L}/u.test(lower)) continue;
    const gap = end < 0 ? "" : text.slice(end, match.index);
    end = match.index + shown.length;
    yield { stem: singular(lower), shown, follows: gap === " " || gap === "\n" };
  }
}

export function buildVocabulary(texts: Iterable<string>): Vocabulary {
  const numbers = new Map<string, number>();
  const stems: string[] = [];
  const forms: Map<string, number>[] = [];
  const documentFrequency: number[] = [];
  const offsets = [0];
  const terms: number[] = [];
  const counts: number[] = [];
  for (const text of texts) {
    const inside = new Map<number, number>();
    for (const { stem, shown } of wordsOf(text)) {
      let term = numbers.get(stem);
      if (term === undefined) {
        term = stems.length;
        numbers.set(stem, term);
        stems.push(stem);
        forms.push(new Map());
        documentFrequency.push(0);
      }
      inside.set(term, (inside.get(term) ?? 0) + 1);
      forms[term]!.set(shown, (forms[term]!.get(shown) ?? 0) + 1);
    }
    for (const term of [...inside.keys()].sort((a, b) => a - b)) {
      documentFrequency[term]!++;
      terms.push(term);
      counts.push(inside.get(term)!);
    }
    offsets.push(terms.length);
  }
  return {
    stems,
    shown: forms.map(mostUsed),
    documentFrequency: Int32Array.from(documentFrequency),
    offsets: Int32Array.from(offsets),
    terms: Int32Array.from(terms),
    counts: Int32Array.from(counts),
  };
}

/** The form used most; in small letters where that is about as usual, as sentences and headings begin with large ones. */
export function mostUsed(forms: ReadonlyMap<string, number>): string {
  let best = "";
  let most = 0;
  for (const [form, count] of forms) {
    const weight = form === form.toLowerCase() ? 1.2 * count : count;
    if (weight > most || (weight === most && form < best)) {
      best = form;
      most = weight;
    }
  }
  return best;
}

export function singular(lower: string): string {
  if (lower.length > 4 && lower.endsWith("ies")) return `${lower.slice(0, -3)}y`;
  if (lower.length > 4 && /(?:sses|xes|ches|shes)$/.test(lower)) return lower.slice(0, -2);
  if (lower.length > 3 && lower.endsWith("s") && !/(?:ss|us|is)$/.test(lower)) return lower.slice(0, -1);
  return lower;
}
