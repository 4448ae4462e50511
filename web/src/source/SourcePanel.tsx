import { useEffect, useRef, useState } from "react";
import type { Place, SourceLines } from "../api/contract.js";
import { readSource } from "../api/corpora.js";
import { explain } from "../api/request.js";
import { lineRange, whole } from "../ui/amounts.js";
import { Button, IconButton } from "../ui/Button.js";
import { Icon } from "../ui/Icon.js";
import { Notice } from "../ui/Notice.js";
import "./source.css";

interface SourcePanelProps {
  readonly corpus: string;
  readonly place: Place;
  /** The number of the citation that led here. */
  readonly number?: number;
  onClose(): void;
}

const around = 60;
const more = 200;

/** A source beside the page, at the lines in question. Earlier and later lines come on request, so size does not matter. */
export function SourcePanel({ corpus, place, number, onClose }: SourcePanelProps) {
  const { file, start_line: from, end_line: to } = place;
  const [source, setSource] = useState<SourceLines | undefined>();
  const [error, setError] = useState<unknown>();
  const heading = useRef<HTMLHeadingElement>(null);
  const first = useRef<HTMLLIElement>(null);
  const scroller = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const stop = new AbortController();
    setSource(undefined);
    setError(undefined);
    heading.current?.focus();
    readSource(corpus, file, Math.max(1, from - around), to + around, stop.signal).then(
      setSource,
      (reason: unknown) => {
        if (!stop.signal.aborted) setError(reason);
      },
    );
    return () => stop.abort();
  }, [corpus, file, from, to]);

  const loaded = source !== undefined;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the lines come into view once they are there, and for each place
  useEffect(() => {
    const view = scroller.current;
    const line = first.current;
    if (view !== null && line !== null) view.scrollTop = line.offsetTop - view.clientHeight / 4;
  }, [loaded, file, from]);

  useEffect(() => {
    const closeOnEscape = (event: KeyboardEvent) => {
      if (event.key === "Escape" && document.querySelector("dialog[open]") === null) onClose();
    };
    addEventListener("keydown", closeOnEscape);
    return () => removeEventListener("keydown", closeOnEscape);
  }, [onClose]);

  const extend = async (start: number, end: number) => {
    if (source === undefined) return;
    try {
      const part = await readSource(corpus, file, start, end);
      const before = scroller.current?.scrollHeight ?? 0;
      const earlier = start < source.start_line;
      setSource({
        ...source,
        start_line: earlier ? part.start_line : source.start_line,
        lines: earlier ? [...part.lines, ...source.lines] : [...source.lines, ...part.lines],
      });
      if (earlier) {
        requestAnimationFrame(() => {
          const view = scroller.current;
          if (view !== null) view.scrollTop += view.scrollHeight - before;
        });
      }
    } catch (reason) {
      setError(reason);
    }
  };

  const last = source === undefined ? 0 : source.start_line + source.lines.length - 1;
  return (
    <aside className="source" aria-label={`Source: ${file}`}>
      <header className="source-head">
        {number !== undefined && <span className="citation-number">{number}</span>}
        <div className="source-name">
          <h2 ref={heading} tabIndex={-1} data-page-title>
            {file}
          </h2>
          <p className="faint small figure">
            {lineRange(from, to)}
            {source !== undefined && ` of ${whole(source.total_lines)}`}
          </p>
        </div>
        <IconButton icon="close" label="Close the source (Esc)" onClick={onClose} />
      </header>
      {error !== undefined && <Notice>{explain(error)}</Notice>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: scrolled with the keys */}
      <section className="source-lines" ref={scroller} tabIndex={0} aria-label="Lines">
        {source === undefined && error === undefined && <p className="source-wait">Opening the source</p>}
        {source !== undefined && source.start_line > 1 && (
          <Button
            look="quiet"
            onClick={() => void extend(Math.max(1, source.start_line - more), source.start_line - 1)}
          >
            Earlier lines
          </Button>
        )}
        {source !== undefined && (
          <ol start={source.start_line}>
            {source.lines.map((line, index) => {
              const at = source.start_line + index;
              const cited = at >= from && at <= to;
              return (
                <li key={at} ref={at === from ? first : undefined} className={cited ? "cited" : undefined}>
                  <span className="source-number" aria-hidden="true">
                    {at}
                  </span>
                  {cited ? <mark>{line === "" ? "\u00a0" : line}</mark> : <span>{line === "" ? "\u00a0" : line}</span>}
                </li>
              );
            })}
          </ol>
        )}
        {source !== undefined && last < source.total_lines && (
          <Button look="quiet" onClick={() => void extend(last + 1, Math.min(source.total_lines, last + more))}>
            Later lines
          </Button>
        )}
      </section>
      <footer className="source-foot faint small">
        <Icon name="file" size={16} />
        Read from the index as it was when the file was taken in
      </footer>
    </aside>
  );
}
