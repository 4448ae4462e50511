import type { Place } from "../api/contract.js";
import { counted, duration } from "../ui/amounts.js";
import { Button } from "../ui/Button.js";
import { CopyButton } from "../ui/CopyButton.js";
import { ErrorNotice, Notice } from "../ui/Notice.js";
import { CitedAnswer } from "./CitedAnswer.js";
import { EvidenceList, numberOf } from "./EvidenceList.js";
import type { Asked } from "./use-ask.js";

interface AnswerViewProps {
  readonly asked: Asked;
  readonly current: number | undefined;
  onOpen(number: number, from: HTMLElement): void;
  onAgain(): void;
  onMap(places: readonly Place[]): void;
}

/** An answer as it comes, how it went, and the evidence once it stands. */
export function AnswerView({ asked, current, onOpen, onAgain, onMap }: AnswerViewProps) {
  const { state, text, evidence, answer, progress, seconds } = asked;
  const share =
    progress?.total !== undefined && progress.total > 0 ? ((progress.done ?? 0) / progress.total) * 100 : undefined;
  const cited = answer?.evidence ?? evidence;
  return (
    <section className="answer" aria-label="Answer" aria-busy={state === "running"}>
      <h2 className="answer-question">{asked.question}</h2>
      {state === "running" && (
        <p className="answer-state">
          <span className="turn-writing">
            <span className="turn-pulse" aria-hidden="true" />
            {text !== "" ? "Writing" : progressWords(progress)}
            {evidence.length > 0 && `, ${counted(evidence.length, "passage")} found`}
          </span>
          {text === "" && share !== undefined && (
            <span className="meter answer-meter">
              <span style={{ width: `${share}%` }} />
            </span>
          )}
        </p>
      )}
      {state !== "running" && (
        <p className="answer-state figure">
          {[
            state === "stopped" ? "Stopped" : undefined,
            answer?.model ?? undefined,
            seconds === undefined ? undefined : duration(seconds),
            answer?.usage?.completion_tokens ? counted(answer.usage.completion_tokens, "token") : undefined,
            answer?.usage?.prompt_tokens ? `${counted(answer.usage.prompt_tokens, "token")} read` : undefined,
          ]
            .filter((part) => part !== undefined)
            .join(" · ")}
          {text !== "" && <CopyButton text={() => text} label="Copy answer" />}
        </p>
      )}
      <div className="answer-text">
        {text !== "" && <CitedAnswer text={text} known={cited.map(numberOf)} current={current} onCite={onOpen} />}
        {state === "failed" && (
          <ErrorNotice error={asked.error} action={<Button onClick={onAgain}>Try again</Button>} />
        )}
        {answer?.stated === false && (
          <Notice look="warning">Nothing found in the documents states this. The nearest passages are listed.</Notice>
        )}
      </div>
      <p className="visually-hidden" aria-live="polite">
        {state === "running" ? "The answer is being written." : "The answer ended."}
      </p>
      {cited.length > 0 && state !== "running" && (
        <>
          <div className="evidence-head">
            <h3 className="section-title">Evidence</h3>
            <Button look="quiet" icon="map" onClick={() => onMap(cited)}>
              Show on the map
            </Button>
          </div>
          <EvidenceList evidence={cited} current={current} onOpen={onOpen} />
        </>
      )}
    </section>
  );
}

function progressWords(progress: Asked["progress"]): string {
  if (progress === undefined) return "Looking for passages";
  const phase = progress.phase.charAt(0).toUpperCase() + progress.phase.slice(1).replaceAll("_", " ");
  return progress.total === undefined ? phase : `${phase}, ${progress.done ?? 0} of ${progress.total}`;
}
