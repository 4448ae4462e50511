import { useCallback, useRef, useState } from "react";
import type { Place } from "../api/contract.js";
import { listCorpora } from "../api/corpora.js";
import { listMethods } from "../api/server.js";
import { useLoaded } from "../api/use-loaded.js";
import { replace, useIdOn } from "../app/route.js";
import { useShortcut } from "../app/shortcuts.js";
import { MethodField } from "../chat/MethodField.js";
import { CorpusSelect } from "../corpora/CorpusSelect.js";
import { NoCorpora } from "../corpora/NoCorpora.js";
import { showOnMap } from "../map-page/map-lights.js";
import { SourcePanel } from "../source/SourcePanel.js";
import { counted, duration } from "../ui/amounts.js";
import { Button, IconButton } from "../ui/Button.js";
import { CopyButton } from "../ui/CopyButton.js";
import { Icon } from "../ui/Icon.js";
import { ErrorNotice, Notice } from "../ui/Notice.js";
import { PageHead } from "../ui/PageHead.js";
import { takeScope } from "./ask-scope.js";
import { CitedAnswer } from "./CitedAnswer.js";
import { EvidenceList, numberOf } from "./EvidenceList.js";
import { rememberQuestion, useEarlierQuestions } from "./earlier-questions.js";
import { type Asked, useAsk } from "./use-ask.js";
import "./ask.css";

interface OpenSource {
  readonly place: Place;
  readonly number: number;
}

/** A question to a corpus: the answer with numbered citations, the evidence, and the source beside them. */
export function AskPage() {
  const id = useIdOn("ask");
  const corpora = useLoaded(listCorpora, "corpora", 10_000);
  const methods = useLoaded(listMethods, "methods");
  const corpus = corpora.value?.find((one) => one.id === id) ?? corpora.value?.[0];
  const [text, setText] = useState("");
  const [selector, setSelector] = useState<string | undefined>();
  const [options, setOptions] = useState(false);
  const [scope, setScope] = useState(takeScope);
  // A topic belongs to one corpus.
  const within = scope?.corpus === corpus?.id ? scope : undefined;
  const [open, setOpen] = useState<OpenSource | undefined>();
  const opener = useRef<HTMLElement | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const { asked, ask, stop, show } = useAsk(corpus?.id, (done) => {
    if (corpus !== undefined) rememberQuestion(corpus.id, done);
  });
  const earlier = useEarlierQuestions(corpus?.id);
  const running = asked?.state === "running";

  useShortcut("/", "Ask", "Write a question", () => field.current?.focus());

  const evidence = asked?.evidence;
  const openNumber = useCallback(
    (number: number, from: HTMLElement) => {
      const place = evidence?.find((one, index) => numberOf(one, index) === number);
      if (place === undefined) return;
      opener.current = from;
      setOpen({ place, number });
    },
    [evidence],
  );
  const close = useCallback(() => {
    setOpen(undefined);
    opener.current?.focus();
  }, []);

  const submit = () => {
    const question = text.trim();
    if (question === "" || running) return;
    setOpen(undefined);
    void ask({
      question,
      ...(selector === undefined ? {} : { selector }),
      ...(within === undefined ? {} : { scope: within.topic }),
    });
  };

  if (corpora.value !== undefined && corpora.value.length === 0) return <NoCorpora title="Ask a corpus" />;

  return (
    <div className="with-source" data-open={open !== undefined}>
      <div className="page-scroll">
        <div className="page-inner ask-inner">
          <PageHead title="Ask a corpus">
            {corpora.value !== undefined && corpus !== undefined && (
              <CorpusSelect
                corpora={corpora.value}
                value={corpus.id}
                onChange={(next) => {
                  replace("ask", next);
                  show(undefined);
                  setOpen(undefined);
                }}
              />
            )}
          </PageHead>
          {corpora.error !== undefined && (
            <ErrorNotice error={corpora.error} action={<Button onClick={corpora.reload}>Try again</Button>} />
          )}
          <form
            className="composer ask-form"
            onSubmit={(event) => {
              event.preventDefault();
              submit();
            }}
          >
            <label htmlFor="question" className="visually-hidden">
              Question
            </label>
            <textarea
              ref={field}
              id="question"
              rows={1}
              placeholder="Which settings survive a restart?"
              value={text}
              onChange={(event) => setText(event.target.value)}
              onKeyDown={(event) => {
                if (event.key === "Escape" && running) stop();
                if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
                event.preventDefault();
                submit();
              }}
            />
            <span className="ask-buttons">
              <IconButton
                icon="sliders"
                label="How passages are chosen"
                aria-expanded={options}
                onClick={() => setOptions((shown) => !shown)}
              />
              {running ? (
                <button type="button" className="composer-button" onClick={stop} aria-label="Stop" title="Stop (Esc)">
                  <Icon name="stop" />
                </button>
              ) : (
                <button
                  type="submit"
                  className="composer-button"
                  aria-label="Ask"
                  title="Ask (Enter)"
                  disabled={text.trim() === "" || corpus === undefined}
                >
                  <Icon name="send" />
                </button>
              )}
            </span>
          </form>
          {within !== undefined && (
            <p className="ask-scope">
              <span className="tag tag-good">Only the topic “{within.name}”</span>
              <IconButton icon="close" size={16} label="Ask the whole corpus" onClick={() => setScope(undefined)} />
            </p>
          )}
          {options && (
            <div className="ask-options">
              <MethodField
                label="Selector"
                hint="Chooses the passages that the answer is written from"
                methods={methods.value?.filter(({ kind, selectable }) => kind === "selector" && selectable)}
                value={selector}
                onChange={setSelector}
              />
            </div>
          )}
          {corpus !== undefined && corpus.status === "indexing" && (
            <Notice look="note">
              {corpus.name} is still being indexed: answers come from the{" "}
              {counted(corpus.file_counts.completed, "file")} that are ready.
            </Notice>
          )}
          {asked === undefined ? (
            <Earlier
              list={earlier.map((one) => one.asked)}
              corpusName={corpus?.name}
              onShow={(one) => {
                setText(one.question);
                show(one);
              }}
            />
          ) : (
            <AnswerView
              asked={asked}
              current={open?.number}
              onOpen={openNumber}
              onAgain={submit}
              onMap={(places) => showOnMap({ corpus: corpus?.id ?? "", about: asked.question, places })}
            />
          )}
        </div>
      </div>
      {open !== undefined && corpus !== undefined && (
        <SourcePanel corpus={corpus.id} place={open.place} number={open.number} onClose={close} />
      )}
    </div>
  );
}

interface AnswerViewProps {
  readonly asked: Asked;
  readonly current: number | undefined;
  onOpen(number: number, from: HTMLElement): void;
  onAgain(): void;
  onMap(places: readonly Place[]): void;
}

function AnswerView({ asked, current, onOpen, onAgain, onMap }: AnswerViewProps) {
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

function Earlier({
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
