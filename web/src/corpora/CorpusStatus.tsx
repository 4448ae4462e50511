import type { Corpus } from "../api/contract.js";

/** Ready, indexing with how far it is, or failed: in words. */
export function CorpusStatus({ corpus }: { corpus: Corpus }) {
  const { completed, failed, total } = corpus.file_counts;
  if (corpus.status === "indexing") {
    return (
      <span className="tag tag-warning figure">
        Indexing {completed + failed} of {total}
      </span>
    );
  }
  if (corpus.status === "failed") return <span className="tag tag-bad">Failed</span>;
  if (failed > 0) return <span className="tag tag-warning figure">Ready, {failed} not read</span>;
  return <span className="tag tag-good">Ready</span>;
}
