import { type ReactNode, useId } from "react";

/** A label, its control and a hint, tied together for those who hear the page. */
export function Field({
  label,
  hint,
  error,
  children,
}: {
  label: string;
  hint?: ReactNode;
  error?: string | undefined;
  children: (ids: { id: string; "aria-describedby"?: string; "aria-invalid"?: true }) => ReactNode;
}) {
  const id = useId();
  const about = `${id}-about`;
  const described = hint !== undefined || error !== undefined;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        ...(described ? { "aria-describedby": about } : {}),
        ...(error === undefined ? {} : { "aria-invalid": true as const }),
      })}
      {described && (
        <p id={about} className={error === undefined ? "field-hint" : "field-error"}>
          {error ?? hint}
        </p>
      )}
    </div>
  );
}
