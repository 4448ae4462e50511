import { useState } from "react";
import type { CorpusFile } from "../api/contract.js";
import { bytes, counted } from "../ui/amounts.js";
import { Button, IconButton } from "../ui/Button.js";

interface FileListProps {
  readonly files: readonly CorpusFile[];
  onOpen(name: string, from: HTMLElement): void;
  readonly onDelete: ((name: string) => void) | undefined;
}

const step = 100;

/** The files of a corpus, those with problems first, a hundred at a time. */
export function FileList({ files, onOpen, onDelete }: FileListProps) {
  const [shown, setShown] = useState(step);
  const sorted = [...files].sort(
    (a, b) => Number(b.problem !== undefined) - Number(a.problem !== undefined) || a.name.localeCompare(b.name, "en"),
  );
  if (files.length === 0) return <p className="ask-hint">No files yet.</p>;
  return (
    <>
      <ul className="files">
        {sorted.slice(0, shown).map((file) => (
          <li key={file.name}>
            <button type="button" className="file-name" onClick={(event) => onOpen(file.name, event.currentTarget)}>
              {file.name}
            </button>
            <FileStatus file={file} />
            <span className="faint small figure file-size">{bytes(file.bytes)}</span>
            {onDelete !== undefined && (
              <IconButton icon="trash" size={18} label={`Remove ${file.name}`} onClick={() => onDelete(file.name)} />
            )}
            {file.problem !== undefined && <p className="file-problem small">{file.problem}</p>}
          </li>
        ))}
      </ul>
      {shown < sorted.length && (
        <Button look="quiet" onClick={() => setShown((old) => old + step)}>
          {`Show more of ${counted(sorted.length, "file")}`}
        </Button>
      )}
    </>
  );
}

function FileStatus({ file }: { file: CorpusFile }) {
  if (file.problem !== undefined || file.status === "failed") return <span className="tag tag-bad">Not read</span>;
  if (file.status === "completed" || file.status === "ready" || file.status === "processed") return <span />;
  return <span className="tag">{file.status.replaceAll("_", " ")}</span>;
}
