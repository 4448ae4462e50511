/** Words of a text as they are compared: lower-cased, without endings, without words that carry no matter. Crude on purpose: it
 *  only has to make a question, an answer and a passage meet. English endings and stop words; other languages meet by whole
 *  words, and scripts without spaces by characters. */

const pattern =
  /\d[\d.,]*\d|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{M}\p{N}]+/gu;

const stopWords = new Set(
  `a an the this that these those it its he she his her him they them their we our us you your i my me who whom whose which what
  when where why how is are was were be been being am do does did done have has had having will would shall should can could may
  might must of in on at by for from to with without into onto about as and or but not no nor so if than then there here also too
  very just only any some each every both all most more much many own same such up down out over under again between during
  before after above below through while because until against per via let lets s t re ll ve d m please tell give say says said
  according name called document documents passage passages text file question answer long often kind`.split(/\s+/),
);

export interface Word {
  /** The form that is compared. */
  readonly stem: string;
  /** As written. */
  readonly shown: string;
  readonly start: number;
  readonly end: number;
}

/** All words but stop words, in order. */
export function contentWords(text: string): Word[] {
  const out: Word[] = [];
  for (const match of text.matchAll(pattern)) {
    const shown = match[0];
    const lower = shown.toLowerCase().normalize("NFKC");
    if (stopWords.has(lower)) continue;
    out.push({ stem: stem(lower), shown, start: match.index, end: match.index + shown.length });
  }
  return out;
}

export function stems(text: string): Set<string> {
  return new Set(contentWords(text).map((word) => word.stem));
}

export function isNumber(stemmed: string): boolean {
  return /^\d/.test(stemmed);
}

export function stem(lower: string): string {
  if (isNumber(lower)) return lower.replace(/,(?=\d{3}(\D|$))/g, "");
  let word = lower;
  if (word.length > 4 && word.endsWith("ies")) word = `${word.slice(0, -3)}y`;
  else if (word.length > 3 && word.endsWith("s") && !/(ss|us|is)$/.test(word)) word = word.slice(0, -1);
  if (word.length > 5 && word.endsWith("ing")) word = single(word.slice(0, -3));
  else if (word.length > 4 && word.endsWith("ed")) word = single(word.slice(0, -2));
  else if (word.length > 5 && /(er|or)$/.test(word)) word = single(word.slice(0, -2));
  if (word.length > 3 && word.endsWith("e")) word = word.slice(0, -1);
  return word;
}

/** "stopp" to "stop". */
function single(word: string): string {
  return /([bdgklmnprt])\1$/.test(word) && word.length > 3 ? word.slice(0, -1) : word;
}
