import type { Random } from "./random.js";

/** Words and sentence moulds for text that carries no fact anyone is asked about. Names are made of syllables, so that no model
 *  knows them. */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

export const nouns = words(`
  ledger harbour workshop archive valley council festival railway quarry orchard bakery library foundry market lantern bridge
  garden kitchen cellar meadow canal tower gallery chapel mill brewery depot station courtyard theatre school hospital ferry
  journal survey treaty manuscript rehearsal harvest auction expedition apprentice committee merchant engineer librarian
  surveyor gardener sculptor messenger carpenter weaver captain professor curator inspector neighbour widow traveller pilot
  clerk farmer printer violin compass barrel rope curtain engine furnace notebook telescope umbrella carriage anchor ribbon
  parcel kettle blanket mirror ladder cupboard hammer painting pamphlet stamp medal contract invoice permit recipe rumour
  quarrel promise holiday shortage drought storm thaw frost flood winter autumn dawn evening afternoon century decade
  tradition custom dialect proverb ballad anthem sermon lecture debate referendum petition census inventory catalogue`);

export const adjectives = words(`
  quiet narrow faded generous stubborn hollow crooked brittle cheerful distant forgotten gentle hasty humble idle jagged
  lively modest muddy noisy patient peculiar pleasant polished precise prudent ragged remote rusty scattered shallow sincere
  slender solemn sturdy subtle sudden tidy timid tranquil uneven vivid weary wooden copper marble woollen annual weekly
  provincial coastal northern southern alpine temporary official private public secret unfinished borrowed celebrated
  controversial costly delicate durable elaborate fragile frequent fresh grateful heavy improbable lengthy lukewarm mediocre
  obscure ornate plain reluctant respectable rural seasonal spacious splendid tedious thorough unlikely urgent useful`);

export const verbs = words(`
  repaired admired borrowed catalogued described discussed displayed examined funded gathered guarded inherited inspected
  measured mentioned moved neglected noticed ordered organised painted praised preserved printed protected questioned
  recommended recorded replaced restored reviewed revised sketched sold studied supplied supported translated transported
  visited abandoned accepted advertised announced approved arranged avoided celebrated cleaned collected compared copied
  criticised defended delivered donated explained exported ignored imported improved invited rented`);

export const places = words(`
  upstairs downstream nearby abroad indoors outdoors overnight uphill ashore inland`);

export const times = [
  "in the spring",
  "after the long winter",
  "during the second week of the fair",
  "before the snow came",
  "on most Sundays",
  "towards the end of the season",
  "for several years",
  "shortly after sunrise",
  "when the roads were dry",
  "as usual",
  "against all advice",
  "without much ceremony",
  "to general surprise",
  "with borrowed tools",
  "at considerable cost",
] as const;

const onsets = words("b br c ch d dr f fl g gr h j k kr l m n p pr qu r s sk sl st t th tr v w z");
const vowels = words("a e i o u ae ei o au ö å e i a o");
const codas = words("l n r s t nd rn ld sk m th ck ng rl mm x b");
const endings = words("a o en er is ov in el as um and ick");

/** A capitalised name of two or three syllables that is not in `taken`; it is added there. */
export function name(random: Random, taken: Set<string>): string {
  for (;;) {
    const syllable = () => random.pick(onsets) + random.pick(vowels) + (random.chance(0.6) ? random.pick(codas) : "");
    const made = syllable() + (random.chance(0.3) ? syllable() : "") + random.pick(endings);
    const shown = made.charAt(0).toUpperCase() + made.slice(1);
    if (shown.length < 5 || shown.length > 11 || taken.has(shown)) continue;
    taken.add(shown);
    return shown;
  }
}

/** One sentence of carrier text. */
export function carrier(random: Random): string {
  const n = () => random.pick(nouns);
  const a = () => random.pick(adjectives);
  const v = () => random.pick(verbs);
  const t = () => random.pick(times);
  const an = (word: string) => (/^[aeiou]/.test(word) ? `an ${word}` : `a ${word}`);
  const moulds: (() => string)[] = [
    () => `The ${a()} ${n()} was ${v()} ${t()}, and the ${n()} ${v()} it again ${t()}.`,
    () => `Few people ${v()} the ${n()} beside the ${a()} ${n()}, though it had been ${v()} ${t()}.`,
    () =>
      `${an(a()).replace(/^a/, "A")} ${n()} stood ${random.pick(places)}, next to ${an(a())} ${n()} that nobody ${v()}.`,
    () => `Visitors ${v()} the ${n()}; the ${n()} itself was ${v()} ${t()}.`,
    () => `It is said that the ${n()} ${v()} more than one ${a()} ${n()} ${t()}.`,
    () => `Between the ${n()} and the ${n()} there was ${an(a())} ${n()}, ${v()} ${t()}.`,
    () => `Letters from that time describe ${an(a())} ${n()} and ${an(a())} ${n()}, both ${v()} by a ${n()}.`,
    () => `What the ${n()} ${v()}, the ${n()} soon ${v()}: the ${a()} ${n()} was never the same.`,
    () => `Opinions on the ${a()} ${n()} differ; most accounts agree that it was ${v()} ${t()}.`,
    () => `Nobody remembers why the ${n()} was ${v()} — perhaps the ${a()} ${n()} had something to do with it.`,
    () => `A ${n()} who ${v()} the ${a()} ${n()} left it to the ${n()}, where it was ${v()} ${t()}.`,
    () => `In place of the old ${n()}, ${an(a())} ${n()} was ${v()}, which the ${n()} ${v()} ${t()}.`,
    () => `Only the ${n()} knew that the ${n()} had been ${v()}, and the ${n()} kept silent ${t()}.`,
    () => `The accounts list ${an(a())} ${n()}, two ${a()} ${n()}s and a ${n()}, all ${v()} ${t()}.`,
  ];
  return random.pick(moulds)();
}
