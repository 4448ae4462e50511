import { useCallback } from "react";
import { Markdown } from "../ui/Markdown.js";
import { splitCitations } from "./citations.js";

interface CitedAnswerProps {
  readonly text: string;
  /** The numbers of the evidence there is. */
  readonly known: readonly number[];
  readonly current: number | undefined;
  onCite(number: number, from: HTMLElement): void;
}

/** An answer whose numbers in brackets open the evidence they name. */
export function CitedAnswer({ text, known, current, onCite }: CitedAnswerProps) {
  const drawText = useCallback(
    (plain: string) =>
      splitCitations(plain, known).map((piece, index) =>
        "text" in piece ? (
          piece.text
        ) : (
          // biome-ignore lint/suspicious/noArrayIndexKey: text only grows at its end
          <span className="cites" key={index}>
            {piece.cites.map((number) => (
              <button
                type="button"
                key={number}
                className="citation-number"
                aria-label={`Source ${number}`}
                aria-pressed={number === current}
                onClick={(event) => onCite(number, event.currentTarget)}
              >
                {number}
              </button>
            ))}
          </span>
        ),
      ),
    [known, current, onCite],
  );
  return <Markdown text={text} drawText={drawText} />;
}
