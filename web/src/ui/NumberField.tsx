import { useState } from "react";
import { Field } from "./Field.js";

interface NumberFieldProps {
  readonly label: string;
  readonly value: number | undefined;
  readonly least?: number;
  readonly most?: number;
  readonly step?: number;
  readonly whole?: boolean;
  readonly hint?: string;
  readonly placeholder?: string;
  onChange(value: number | undefined): void;
}

/** A number that may be left open. Text that is no such number stays in the field with the reason, and changes nothing. */
export function NumberField({
  label,
  value,
  least,
  most,
  step,
  whole = false,
  hint,
  placeholder = "Default",
  onChange,
}: NumberFieldProps) {
  const [text, setText] = useState<string | undefined>();
  const [error, setError] = useState<string | undefined>();
  const check = (typed: string): string | undefined => {
    if (typed.trim() === "") return undefined;
    const number = Number(typed);
    if (!Number.isFinite(number)) return "Not a number";
    if (whole && !Number.isInteger(number)) return "A whole number, please";
    if (least !== undefined && number < least) return `At least ${least}`;
    if (most !== undefined && number > most) return `At most ${most}`;
    return undefined;
  };
  return (
    <Field label={label} hint={hint} error={error}>
      {(ids) => (
        <input
          {...ids}
          className="input figure"
          inputMode={whole ? "numeric" : "decimal"}
          placeholder={placeholder}
          value={text ?? (value === undefined ? "" : String(value))}
          onChange={(event) => {
            const typed = event.target.value;
            const wrong = check(typed);
            setText(typed);
            setError(wrong);
            if (wrong === undefined) onChange(typed.trim() === "" ? undefined : Number(typed));
          }}
          onKeyDown={(event) => {
            if (step === undefined || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
            event.preventDefault();
            const moved = (value ?? 0) + (event.key === "ArrowUp" ? step : -step);
            const kept = Math.min(most ?? moved, Math.max(least ?? moved, moved));
            setText(undefined);
            setError(undefined);
            onChange(Math.round(kept * 1e6) / 1e6);
          }}
          onBlur={() => error === undefined && setText(undefined)}
        />
      )}
    </Field>
  );
}
