import type { Corpus } from "../api/contract.js";

/** Which corpus a page is about. */
export function CorpusSelect({
  corpora,
  value,
  onChange,
}: {
  corpora: readonly Corpus[];
  value: string;
  onChange: (id: string) => void;
}) {
  return (
    <select
      className="select corpus-select"
      aria-label="Corpus"
      value={value}
      onChange={(event) => onChange(event.target.value)}
    >
      {corpora.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  );
}
