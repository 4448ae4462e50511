import type { Method, OptionSchema } from "../api/contract.js";
import { Field } from "../ui/Field.js";
import { parseChoice, writeChoice } from "./method-text.js";

interface MethodFieldProps {
  readonly label: string;
  readonly hint: string;
  readonly methods: readonly Method[] | undefined;
  /** The string form, as "h2o:budget=0.2"; undefined leaves it to the server. */
  readonly value: string | undefined;
  /** Options are folded away, with those that were changed in the fold's name. */
  readonly folded?: boolean;
  onChange(value: string | undefined): void;
}

/** A method to choose, with the options that its own schema names. */
export function MethodField({ label, hint, methods, value, folded = false, onChange }: MethodFieldProps) {
  const choice = value === undefined ? undefined : parseChoice(value);
  const chosen = methods?.find(({ name }) => name === choice?.name);
  const unknown = choice !== undefined && methods !== undefined && chosen === undefined;
  const properties = chosen?.options?.properties;
  const fields =
    choice === undefined || properties === undefined
      ? undefined
      : Object.entries(properties).map(([name, schema]) => (
          <OptionField
            key={name}
            name={name}
            schema={schema}
            value={choice.options[name] ?? ""}
            onChange={(option) =>
              onChange(writeChoice({ name: choice.name, options: { ...choice.options, [name]: option } }))
            }
          />
        ));
  const changed = Object.entries(choice?.options ?? {})
    .filter(([, set]) => set !== "")
    .map(([name, set]) => `${name} ${set}`)
    .join(", ");
  return (
    <div className="method-field">
      <Field label={label} hint={chosen?.title ?? hint}>
        {(ids) => (
          <select
            {...ids}
            className="select"
            value={choice?.name ?? ""}
            onChange={(event) => onChange(event.target.value === "" ? undefined : event.target.value)}
          >
            <option value="">The server’s own</option>
            {methods?.map(({ name }) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
            {unknown && <option value={choice.name}>{choice.name} (not on this server)</option>}
          </select>
        )}
      </Field>
      {folded && fields !== undefined && fields.length > 0 ? (
        <details className="method-fold">
          <summary>{changed === "" ? "Options" : changed}</summary>
          <div className="method-options">{fields}</div>
        </details>
      ) : (
        fields !== undefined && <div className="method-options">{fields}</div>
      )}
    </div>
  );
}

function OptionField({
  name,
  schema,
  value,
  onChange,
}: {
  name: string;
  schema: OptionSchema;
  value: string;
  onChange: (value: string) => void;
}) {
  const usual = schema.default === undefined ? "" : String(schema.default);
  const listed = schema.enum ?? (schema.type === "boolean" ? ["true", "false"] : undefined);
  return (
    <Field label={name} hint={schema.description}>
      {(ids) =>
        listed === undefined ? (
          <input
            {...ids}
            className="input figure"
            inputMode={schema.type === "integer" ? "numeric" : schema.type === "number" ? "decimal" : "text"}
            placeholder={usual}
            value={value}
            // A comma would begin another option in the string form.
            onChange={(event) => onChange(event.target.value.replace(/[,\s]/g, ""))}
          />
        ) : (
          <select {...ids} className="select" value={value} onChange={(event) => onChange(event.target.value)}>
            <option value="">{usual === "" ? "Default" : `${usual} (default)`}</option>
            {listed.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        )
      }
    </Field>
  );
}
