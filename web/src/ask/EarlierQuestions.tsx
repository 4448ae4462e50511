import { counted } from "../ui/amounts.js";
import type { Asked } from "./use-ask.js";

/** What was asked of this corpus before; without any, what asking it gives. */
export function EarlierQuestions({
  list,
  corpusName,
  onShow,
}: {
  list: readonly Asked[];
  corpusName: string | undefined;
  onShow: (asked: Asked) => void;
}) {
  if (list.length === 0) {
    return (
      <p className="ask-hint">
        {corpusName === undefined
          ? "\u00a0"
          : `The answer is written from passages of ${corpusName}, and each sentence says where it comes from. A number opens the source at its lines.`}
      </p>
    );
  }
  return (
    <section aria-label="Earlier questions">
      <h2 className="section-title">Earlier questions</h2>
      <ul className="earlier">
        {list.map((asked) => (
          <li key={asked.question}>
            <button type="button" onClick={() => onShow(asked)}>
              <span>{asked.question}</span>
              <span className="faint small figure">{counted(asked.evidence.length, "source")}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
