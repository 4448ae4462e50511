import { useRef, useState } from "react";
import { type CacheInspection, inspectCache } from "../api/inside.js";
import { listMethods } from "../api/server.js";
import { useLoaded } from "../api/use-loaded.js";
import { MethodField } from "../chat/MethodField.js";
import { counted } from "../ui/amounts.js";
import { Button } from "../ui/Button.js";
import { Field } from "../ui/Field.js";
import { ErrorNotice } from "../ui/Notice.js";
import { NumberField } from "../ui/NumberField.js";
import { type Chosen, heatOf } from "./heat.js";

const firstText =
  "The keeper of the lighthouse wrote every evening what the sea had brought. On Monday it was a boot, on Tuesday a letter " +
  "in a green bottle. The letter named a harbour, a ship and a price: 4,711 crowns. What was the price?";

/** What two cache policies keep of the same text, over time, by layer and head. */
export function CacheView() {
  const methods = useLoaded(listMethods, "methods");
  const [text, setText] = useState(firstText);
  const [left, setLeft] = useState<string | undefined>("h2o:budget=0.3");
  const [right, setRight] = useState<string | undefined>("window:budget=0.3");
  const [maxTokens, setMaxTokens] = useState<number | undefined>(32);
  const [inspections, setInspections] = useState<readonly CacheInspection[]>([]);
  const [moment, setMoment] = useState(0);
  const [chosen, setChosen] = useState<Chosen>({ layer: undefined, head: undefined });
  const [problem, setProblem] = useState<unknown>();
  const running = useRef<AbortController | undefined>(undefined);
  const [busy, setBusy] = useState(false);

  const look = async () => {
    const abort = new AbortController();
    running.current = abort;
    setBusy(true);
    setProblem(undefined);
    try {
      const cache = [left, right].filter((one) => one !== undefined);
      const made = await inspectCache({ prompt: text, cache, max_tokens: maxTokens }, abort.signal);
      setInspections(made);
      setMoment(Math.max(...made.map(({ snapshots }) => snapshots.length)) - 1);
      setChosen({ layer: undefined, head: undefined });
    } catch (error) {
      if (!abort.signal.aborted) setProblem(error);
    } finally {
      setBusy(false);
    }
  };

  const policies = methods.value?.filter(({ kind, selectable }) => kind === "cache" && selectable);
  const [first] = inspections;
  const last = Math.max(0, ...inspections.map(({ snapshots }) => snapshots.length - 1));
  return (
    <div className="inside-view">
      <form
        className="inside-form"
        aria-label="Cache"
        onSubmit={(event) => {
          event.preventDefault();
          void look();
        }}
      >
        <Field label="Text">
          {(ids) => (
            <textarea
              {...ids}
              className="textarea"
              rows={6}
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Field>
        {busy ? (
          <Button icon="stop" onClick={() => running.current?.abort()}>
            Stop
          </Button>
        ) : (
          <Button
            look="primary"
            icon="search"
            type="submit"
            disabled={text.trim() === "" || (left === undefined && right === undefined)}
          >
            Look inside
          </Button>
        )}
        <MethodField
          label="Policy"
          hint="Nothing to compare"
          folded
          methods={policies}
          value={left}
          onChange={setLeft}
        />
        <MethodField
          label="Beside"
          hint="Nothing beside it"
          folded
          methods={policies}
          value={right}
          onChange={setRight}
        />
        <NumberField label="Tokens to write" value={maxTokens} least={1} most={512} whole onChange={setMaxTokens} />
      </form>
      <div className="inside-result">
        {problem !== undefined && <ErrorNotice error={problem} />}
        {busy && <p role="status">Reading</p>}
        {first !== undefined && (
          <>
            <div className="heat-controls">
              <Field label="Time">
                {(ids) => (
                  <input
                    {...ids}
                    type="range"
                    min={0}
                    max={last}
                    value={moment}
                    onChange={(event) => setMoment(Number(event.target.value))}
                  />
                )}
              </Field>
              <Pick
                label="Layer"
                numbers={first.layers}
                value={chosen.layer}
                onChange={(layer) => setChosen({ ...chosen, layer })}
              />
              <Pick
                label="Head"
                numbers={Array.from({ length: first.kvHeads }, (_, head) => head)}
                value={chosen.head}
                onChange={(head) => setChosen({ ...chosen, head })}
              />
            </div>
            <div className="heat-columns">
              {inspections.map((inspection) => (
                <HeatText key={inspection.policy} inspection={inspection} moment={moment} chosen={chosen} />
              ))}
            </div>
          </>
        )}
      </div>
    </div>
  );
}

function Pick({
  label,
  numbers,
  value,
  onChange,
}: {
  label: string;
  numbers: readonly number[];
  value: number | undefined;
  onChange: (value: number | undefined) => void;
}) {
  return (
    <Field label={label}>
      {(ids) => (
        <select
          {...ids}
          className="select"
          value={value ?? ""}
          onChange={(event) => onChange(event.target.value === "" ? undefined : Number(event.target.value))}
        >
          <option value="">All</option>
          {numbers.map((number) => (
            <option key={number} value={number}>
              {number}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function HeatText({ inspection, moment, chosen }: { inspection: CacheInspection; moment: number; chosen: Chosen }) {
  const { policy, tokens: texts, promptTokens } = inspection;
  const { tokens, shares, kept } = heatOf(inspection, moment, chosen);
  return (
    <section aria-label={policy}>
      <h3>
        <code>{policy}</code>
      </h3>
      <p className="small faint figure">
        {(100 * kept).toFixed(1)}% kept of {counted(tokens, "token")}
        {tokens > promptTokens && `, ${tokens - promptTokens} of them written`}
      </p>
      <p className="heat-text">
        {texts.slice(0, tokens).map(({ text }, token) => {
          const share = shares[token] ?? 0;
          return (
            <span
              // biome-ignore lint/suspicious/noArrayIndexKey: a token is its place
              key={token}
              className={`${share === 0 ? "heat-none" : ""} ${token === promptTokens ? "heat-written" : ""}`}
              style={share === 0 ? undefined : { background: `rgb(var(--heat) / ${(0.08 + 0.5 * share).toFixed(2)})` }}
              title={`Token ${token}: kept by ${Math.round(100 * share)}%`}
            >
              {text}
            </span>
          );
        })}
      </p>
    </section>
  );
}
