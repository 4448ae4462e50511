import { createStore } from "../app/store.js";
import type { Asked } from "./use-ask.js";

/** Questions answered before, kept in this browser with their answers. */

export interface EarlierQuestion {
  readonly corpus: string;
  readonly asked: Asked;
}

const store = createStore<{ list: readonly EarlierQuestion[] }>("quire.questions", { list: [] });

export const useEarlierQuestions = (corpus: string | undefined): readonly EarlierQuestion[] =>
  store.use().list.filter((one) => one.corpus === corpus);

export function rememberQuestion(corpus: string, asked: Asked): void {
  store.set(({ list }) => ({
    list: [
      { corpus, asked },
      ...list.filter((one) => one.corpus !== corpus || one.asked.question !== asked.question),
    ].slice(0, 30),
  }));
}

export const forgetQuestions = (): void => store.set({ list: [] });
