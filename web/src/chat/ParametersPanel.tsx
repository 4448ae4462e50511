import type { Model } from "../api/contract.js";
import { listMethods, listModels } from "../api/server.js";
import { useLoaded } from "../api/use-loaded.js";
import { Field } from "../ui/Field.js";
import { NumberField } from "../ui/NumberField.js";
import { MethodField } from "./MethodField.js";
import { type Overflow, overflows, type Parameters } from "./parameters.js";

interface ParametersPanelProps {
  readonly parameters: Parameters;
  onChange(parameters: Parameters): void;
}

const overflowWords: Record<Overflow, string> = {
  error: "Refuse with an error",
  "drop-middle": "Leave out the middle",
  "drop-start": "Leave out the start",
};

/** Embedding models are listed beside those that write. */
const answers = ({ kind }: Model): boolean => kind !== "embedding";

/** How the model answers: which one, how freely, how long, and by which cache policy and decoder. */
export function ParametersPanel({ parameters, onChange }: ParametersPanelProps) {
  const models = useLoaded(listModels, "models");
  const methods = useLoaded(listMethods, "methods");
  const set = (change: Partial<Parameters>) => onChange({ ...parameters, ...change });
  return (
    <form className="parameters" onSubmit={(event) => event.preventDefault()} aria-label="Parameters">
      <Field label="Model">
        {(ids) => (
          <select
            {...ids}
            className="select"
            value={parameters.model ?? ""}
            onChange={(event) => set({ model: event.target.value || undefined })}
          >
            <option value="">The server’s own</option>
            {models.value?.filter(answers).map(({ id }) => (
              <option key={id} value={id}>
                {id}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label="Instructions">
        {(ids) => (
          <textarea
            {...ids}
            className="textarea"
            rows={3}
            placeholder="None"
            value={parameters.system ?? ""}
            onChange={(event) => set({ system: event.target.value || undefined })}
          />
        )}
      </Field>
      <div className="parameters-pair">
        <NumberField
          label="Temperature"
          value={parameters.temperature}
          least={0}
          most={2}
          step={0.1}
          onChange={(temperature) => set({ temperature })}
        />
        <NumberField
          label="Top p"
          value={parameters.topP}
          least={0}
          most={1}
          step={0.05}
          onChange={(topP) => set({ topP })}
        />
        <NumberField
          label="Most tokens"
          value={parameters.maxTokens}
          least={1}
          whole
          onChange={(maxTokens) => set({ maxTokens })}
        />
        <NumberField label="Seed" value={parameters.seed} least={0} whole onChange={(seed) => set({ seed })} />
      </div>
      <Field label="Stop at" hint="One per line">
        {(ids) => (
          <textarea
            {...ids}
            className="textarea"
            rows={1}
            value={(parameters.stop ?? []).join("\n")}
            onChange={(event) => set({ stop: event.target.value === "" ? undefined : event.target.value.split("\n") })}
          />
        )}
      </Field>
      <MethodField
        label="Cache policy"
        hint="What the model’s memory keeps when the text gets long"
        methods={methods.value?.filter(({ kind, selectable }) => kind === "cache" && selectable)}
        value={parameters.cache}
        onChange={(cache) => set({ cache })}
      />
      <MethodField
        label="Decoder"
        hint="How the next tokens come out"
        methods={methods.value?.filter(({ kind, selectable }) => kind === "decoder" && selectable)}
        value={parameters.decoder}
        onChange={(decoder) => set({ decoder })}
      />
      <Field label="Longer than the window">
        {(ids) => (
          <select
            {...ids}
            className="select"
            value={parameters.overflow ?? "error"}
            onChange={(event) => {
              const overflow = event.target.value as Overflow;
              set({ overflow: overflow === "error" ? undefined : overflow });
            }}
          >
            {overflows.map((name) => (
              <option key={name} value={name}>
                {overflowWords[name]}
              </option>
            ))}
          </select>
        )}
      </Field>
    </form>
  );
}
