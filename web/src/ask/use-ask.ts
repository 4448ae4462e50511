import { useCallback, useEffect, useRef, useState } from "react";
import type { CorpusAnswer, Evidence } from "../api/contract.js";
import { askCorpus, type Question } from "../api/corpora.js";

/** One question to a corpus and its answer as it comes. */

export interface Asked {
  readonly question: string;
  readonly state: "running" | "done" | "stopped" | "failed";
  readonly progress?: { readonly phase: string; readonly done?: number; readonly total?: number };
  readonly evidence: readonly Evidence[];
  readonly text: string;
  readonly answer?: CorpusAnswer;
  readonly error?: unknown;
  readonly began: number;
  readonly seconds?: number;
}

export function useAsk(corpus: string | undefined, finished: (asked: Asked) => void) {
  const [asked, setAsked] = useState<Asked | undefined>();
  const running = useRef<AbortController | undefined>(undefined);
  const tell = useRef(finished);
  tell.current = finished;

  const stop = useCallback(() => running.current?.abort(), []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another corpus ends the question to this one
  useEffect(() => stop, [stop, corpus]);

  const ask = useCallback(
    async (question: Question) => {
      if (corpus === undefined) return;
      running.current?.abort();
      const stopping = new AbortController();
      running.current = stopping;
      let now: Asked = {
        question: question.question,
        state: "running",
        evidence: [],
        text: "",
        began: performance.now(),
      };
      const change = (changes: Partial<Asked>) => {
        now = { ...now, ...changes };
        // A question asked since then has taken the place.
        if (running.current === stopping) setAsked(now);
      };
      change({});
      try {
        for await (const event of askCorpus(corpus, question, stopping.signal)) {
          if (event.type === "progress") change({ progress: event });
          if (event.type === "evidence") change({ evidence: event.evidence });
          if (event.type === "text") change({ text: now.text + event.text });
          if (event.type === "done") {
            change({
              answer: event.answer,
              text: event.answer.answer,
              evidence: event.answer.evidence ?? now.evidence,
            });
          }
        }
        change({ state: "done", seconds: (performance.now() - now.began) / 1000 });
        tell.current(now);
      } catch (error) {
        change(stopping.signal.aborted ? { state: "stopped" } : { state: "failed", error });
      }
    },
    [corpus],
  );

  return { asked, ask, stop, show: setAsked };
}
