import { useCallback, useEffect, useRef, useState } from "react";
import type { Place } from "../api/contract.js";
import { deleteCorpus, deleteFile, eventsPath, getCorpus, listFiles } from "../api/corpora.js";
import { follow } from "../api/live-feed.js";
import { useLoaded } from "../api/use-loaded.js";
import { go, linkTo } from "../app/route.js";
import { SourcePanel } from "../source/SourcePanel.js";
import { bytes, counted } from "../ui/amounts.js";
import { Button } from "../ui/Button.js";
import { Dialog } from "../ui/Dialog.js";
import { ErrorNotice } from "../ui/Notice.js";
import { PageHead } from "../ui/PageHead.js";
import { CorpusSearch } from "./CorpusSearch.js";
import { CorpusStatus } from "./CorpusStatus.js";
import { DropZone } from "./DropZone.js";
import { FileList } from "./FileList.js";
import { UploadList } from "./UploadList.js";
import { useUploads } from "./use-uploads.js";

interface Indexing {
  readonly done: number;
  readonly total?: number;
  readonly file?: string;
}

/** One corpus: search it, watch it being indexed, add and remove files. */
export function CorpusDetail({ id }: { id: string }) {
  const corpus = useLoaded((signal) => getCorpus(id, signal), `corpus ${id}`);
  const files = useLoaded((signal) => listFiles(id, signal), `files ${id}`);
  const [indexing, setIndexing] = useState<Indexing | undefined>();
  const [problem, setProblem] = useState<unknown>();
  const [deleting, setDeleting] = useState(false);
  const [open, setOpen] = useState<Place | undefined>();
  const opener = useRef<HTMLElement | null>(null);
  const { reload: reloadCorpus } = corpus;
  const { reload: reloadFiles } = files;

  const reload = useCallback(() => {
    reloadCorpus();
    reloadFiles();
  }, [reloadCorpus, reloadFiles]);
  const { uploads, add } = useUploads(id, reload);

  useEffect(() => {
    let last = 0;
    return follow(eventsPath(id), {
      event(name, data) {
        if (name === "indexing") {
          setIndexing(data as Indexing);
          // The list follows once a second at most, however fast files come in.
          if (Date.now() - last > 1000) {
            last = Date.now();
            reload();
          }
        }
        if (name === "ready" || name === "error") {
          setIndexing(undefined);
          if (name === "error") setProblem(eventError(data));
          reload();
        }
      },
    });
  }, [id, reload]);

  const close = useCallback(() => {
    setOpen(undefined);
    opener.current?.focus();
  }, []);

  const { value } = corpus;
  return (
    <div className="with-source" data-open={open !== undefined}>
      <div className="page-scroll">
        <div className="page-inner">
          <a className="back" href={linkTo("corpora")}>
            All corpora
          </a>
          <PageHead
            title={value?.name ?? "\u00a0"}
            about={
              value === undefined ? undefined : (
                <span className="corpus-facts figure">
                  <CorpusStatus corpus={value} />
                  {counted(value.file_counts.total, "file")} · {counted(value.chunks, "chunk")} · {bytes(value.bytes)}
                </span>
              )
            }
          >
            <a className="button button-primary" href={linkTo("ask", id)}>
              Ask
            </a>
            <a className="button button-plain" href={linkTo("map", id)}>
              Map
            </a>
            {value?.read_only === false && (
              <Button look="quiet" icon="trash" onClick={() => setDeleting(true)}>
                Delete
              </Button>
            )}
          </PageHead>
          {corpus.error !== undefined && (
            <ErrorNotice error={corpus.error} action={<Button onClick={reload}>Try again</Button>} />
          )}
          {problem !== undefined && <ErrorNotice error={problem} />}
          {indexing !== undefined && (
            <div className="indexing" role="status">
              <p className="small figure">
                Indexing {indexing.done}
                {indexing.total !== undefined && ` of ${indexing.total}`}
                {indexing.file !== undefined && <span className="faint"> · {indexing.file}</span>}
              </p>
              <div className="meter">
                <span style={{ width: `${indexing.total ? (indexing.done / indexing.total) * 100 : 0}%` }} />
              </div>
            </div>
          )}
          <CorpusSearch
            corpus={id}
            onOpen={(place, from) => {
              opener.current = from;
              setOpen(place);
            }}
          />
          <h2 className="section-title">Files</h2>
          {value?.read_only === true && (
            <p className="faint small corpus-folder">A folder of the server: change the files there.</p>
          )}
          {value?.read_only === false && (
            <>
              <DropZone onFiles={add} />
              <UploadList uploads={uploads} />
            </>
          )}
          {files.error !== undefined && <ErrorNotice error={files.error} />}
          {files.value !== undefined && (
            <FileList
              files={files.value}
              onOpen={(name, from) => {
                opener.current = from;
                setOpen({ file: name, start_line: 1, end_line: 1 });
              }}
              onDelete={
                value?.read_only === false ? (name) => void deleteFile(id, name).then(reload, setProblem) : undefined
              }
            />
          )}
        </div>
      </div>
      {open !== undefined && <SourcePanel corpus={id} place={open} onClose={close} />}
      {deleting && (
        <Dialog title={`Delete ${value?.name}?`} onClose={() => setDeleting(false)}>
          <p>Its index and the uploaded files go for good.</p>
          <div className="dialog-buttons">
            <Button look="quiet" onClick={() => setDeleting(false)}>
              Keep it
            </Button>
            <Button
              look="danger"
              onClick={() => {
                setDeleting(false);
                void deleteCorpus(id).then(() => go("corpora"), setProblem);
              }}
            >
              Delete
            </Button>
          </div>
        </Dialog>
      )}
    </div>
  );
}

function eventError(data: unknown): Error {
  const { error, message } = (data ?? {}) as { error?: { message?: string } | string; message?: string };
  const words = typeof error === "string" ? error : (error?.message ?? message);
  return new Error(words ?? "Indexing ended with an error that the server did not explain.");
}
