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
import { counted } from "../ui/amounts.js";
import { Button, IconButton } from "../ui/Button.js";
import { Icon } from "../ui/Icon.js";
import { ErrorNotice, Notice } from "../ui/Notice.js";
import { PageHead } from "../ui/PageHead.js";
import { AnswerView } from "./AnswerView.js";
import { takeScope } from "./ask-scope.js";
import { EarlierQuestions } from "./EarlierQuestions.js";
import { numberOf } from "./EvidenceList.js";
import { rememberQuestion, useEarlierQuestions } from "./earlier-questions.js";
import { useAsk } from "./use-ask.js";
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
            <EarlierQuestions
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
