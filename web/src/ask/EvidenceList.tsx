import type { Evidence } from "../api/contract.js";
import { lineRange } from "../ui/amounts.js";

interface EvidenceListProps {
  readonly evidence: readonly Evidence[];
  readonly current: number | undefined;
  onOpen(number: number, from: HTMLElement): void;
}

/** The server may say by which number it cites a place; otherwise they are counted. */
export const numberOf = ({ n }: Evidence, index: number): number => n ?? index + 1;

/** The places an answer rests on, numbered as the answer cites them. */
export function EvidenceList({ evidence, current, onOpen }: EvidenceListProps) {
  return (
    <ol className="evidence">
      {evidence.map((one, index) => {
        const number = numberOf(one, index);
        return (
          <li key={`${one.file}:${one.start_line}:${number}`}>
            <button
              type="button"
              aria-pressed={number === current}
              onClick={(event) => onOpen(number, event.currentTarget)}
            >
              <span className="citation-number">
                <span className="visually-hidden">Source </span>
                {number}
              </span>
              <span className="evidence-place">
                <span className="evidence-file">{one.file}</span>
                <span className="faint small figure">{lineRange(one.start_line, one.end_line)}</span>
              </span>
              <span className="evidence-quote">{one.quote}</span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}
