import { useRef, useState } from "react";
import { watchDecoder } from "../api/inside.js";
import { listMethods } from "../api/server.js";
import { useLoaded } from "../api/use-loaded.js";
import { MethodField } from "../chat/MethodField.js";
import { duration, whole } from "../ui/amounts.js";
import { Button } from "../ui/Button.js";
import { Field } from "../ui/Field.js";
import { ErrorNotice } from "../ui/Notice.js";
import { NumberField } from "../ui/NumberField.js";
import { BranchTree } from "./BranchTree.js";
import { DraftTree } from "./DraftTree.js";
import { RoundBars } from "./RoundBars.js";
import { nothing, seen, type Watched } from "./watched.js";

const firstPrompt = "Repeat this line twice: The quick brown fox jumps over the lazy dog.";

/** A decoder at work: trees of drafts as they are verified, branches as they grow, workers side by side. */
export function DecoderView() {
  const methods = useLoaded(listMethods, "methods");
  const [prompt, setPrompt] = useState(firstPrompt);
  const [decoder, setDecoder] = useState<string | undefined>("prompt-lookup");
  const [temperature, setTemperature] = useState<number | undefined>();
  const [maxTokens, setMaxTokens] = useState<number | undefined>(128);
  const [watched, setWatched] = useState<Watched>(nothing);
  const [chosen, setChosen] = useState<number | undefined>();
  const [problem, setProblem] = useState<unknown>();
  const running = useRef<AbortController | undefined>(undefined);
  const [busy, setBusy] = useState(false);

  const start = async () => {
    const abort = new AbortController();
    running.current = abort;
    setBusy(true);
    setWatched(nothing);
    setChosen(undefined);
    setProblem(undefined);
    try {
      const body = { prompt, decoder, temperature, max_tokens: maxTokens };
      for await (const event of watchDecoder(body, abort.signal)) setWatched((so) => seen(so, event));
    } catch (error) {
      if (!abort.signal.aborted) setProblem(error);
    } finally {
      setBusy(false);
    }
  };

  const { rounds, branches, channels, end } = watched;
  const shown = chosen ?? rounds.length - 1;
  const round = rounds[shown];
  const decoders = methods.value?.filter(({ kind, selectable }) => kind === "decoder" && selectable);
  return (
    <div className="inside-view">
      <form
        className="inside-form"
        aria-label="Decoder"
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        <Field label="Message">
          {(ids) => (
            <textarea
              {...ids}
              className="textarea"
              rows={4}
              value={prompt}
              onChange={(event) => setPrompt(event.target.value)}
            />
          )}
        </Field>
        {busy ? (
          <Button icon="stop" onClick={() => running.current?.abort()}>
            Stop
          </Button>
        ) : (
          <Button look="primary" icon="play" type="submit" disabled={prompt.trim() === ""}>
            Watch
          </Button>
        )}
        <MethodField
          folded
          label="Decoder"
          hint="One token a pass"
          methods={decoders}
          value={decoder}
          onChange={setDecoder}
        />
        <div className="parameters-pair">
          <NumberField
            label="Temperature"
            value={temperature}
            least={0}
            most={2}
            step={0.1}
            onChange={setTemperature}
          />
          <NumberField label="Most tokens" value={maxTokens} least={1} most={4096} whole onChange={setMaxTokens} />
        </div>
      </form>
      <div className="inside-result">
        {problem !== undefined && <ErrorNotice error={problem} />}
        {round !== undefined && (
          <section aria-label="Drafts">
            <DraftTree round={round} />
            <RoundBars rounds={rounds} chosen={shown} onChoose={setChosen} />
          </section>
        )}
        {branches.length > 0 && <BranchTree branches={branches} />}
        {branches.length === 0 && channels.length > 0 && (
          <div className="inside-channels">
            {channels.map((text, channel) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a channel is its number
              <section key={channel} aria-label={channels.length > 1 ? `Worker ${channel + 1}` : "Answer"}>
                {channels.length > 1 && <h3>{end?.answers?.[channel]?.name ?? `Worker ${channel + 1}`}</h3>}
                <p className="inside-text">{text}</p>
              </section>
            ))}
          </div>
        )}
        {end !== undefined && (
          <p className="small figure faint" role="status">
            {whole(end.completion_tokens)} tokens in {whole(end.passes)} passes ({end.tokens_per_pass.toFixed(2)} a
            pass), {duration(end.seconds)}
          </p>
        )}
      </div>
    </div>
  );
}
