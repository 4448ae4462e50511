import { useState } from "react";
import type { Place, SearchHit } from "../api/contract.js";
import { searchCorpus } from "../api/corpora.js";
import { lineRange } from "../ui/amounts.js";
import { Button } from "../ui/Button.js";
import { ErrorNotice } from "../ui/Notice.js";

interface CorpusSearchProps {
  readonly corpus: string;
  onOpen(place: Place, from: HTMLElement): void;
}

/** Finds passages by words and meaning. */
export function CorpusSearch({ corpus, onOpen }: CorpusSearchProps) {
  const [query, setQuery] = useState("");
  const [found, setFound] = useState<{ query: string; hits: readonly SearchHit[] } | undefined>();
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const run = async () => {
    const wanted = query.trim();
    if (wanted === "") return setFound(undefined);
    setBusy(true);
    setError(undefined);
    try {
      setFound({ query: wanted, hits: await searchCorpus(corpus, wanted, 10) });
    } catch (reason) {
      setError(reason);
    }
    setBusy(false);
  };
  return (
    <search className="corpus-search">
      <form
        className="search-form"
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        <input
          className="input"
          type="search"
          aria-label="Search this corpus"
          placeholder="Search this corpus"
          value={query}
          onChange={(event) => {
            setQuery(event.target.value);
            if (event.target.value === "") setFound(undefined);
          }}
        />
        <Button type="submit" icon="search" disabled={busy || query.trim() === ""}>
          Search
        </Button>
      </form>
      {error !== undefined && <ErrorNotice error={error} />}
      {found !== undefined && (
        <div role="status" className="visually-hidden">
          {found.hits.length} passages found
        </div>
      )}
      {found?.hits.length === 0 && <p className="ask-hint">Nothing comes near “{found.query}”.</p>}
      {found !== undefined && found.hits.length > 0 && (
        <ol className="evidence">
          {found.hits.map((hit) => (
            <li key={`${hit.file}:${hit.start_line}:${hit.text.length}`}>
              <button type="button" onClick={(event) => onOpen(hit, event.currentTarget)}>
                <span className="faint small figure hit-score">{hit.score.toFixed(2)}</span>
                <span className="evidence-place">
                  <span className="evidence-file">{hit.file}</span>
                  <span className="faint small figure">{lineRange(hit.start_line, hit.end_line)}</span>
                </span>
                <span className="evidence-quote">{hit.text}</span>
              </button>
            </li>
          ))}
        </ol>
      )}
    </search>
  );
}
