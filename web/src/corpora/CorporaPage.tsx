import { useState } from "react";
import { createCorpus, listCorpora } from "../api/corpora.js";
import { explain } from "../api/request.js";
import { useLoaded } from "../api/use-loaded.js";
import { go, linkTo, useIdOn } from "../app/route.js";
import { bytes, counted, day } from "../ui/amounts.js";
import { Button } from "../ui/Button.js";
import { Dialog } from "../ui/Dialog.js";
import { Empty } from "../ui/Empty.js";
import { Field } from "../ui/Field.js";
import { ErrorNotice } from "../ui/Notice.js";
import { PageHead } from "../ui/PageHead.js";
import { CorpusDetail } from "./CorpusDetail.js";
import { CorpusStatus } from "./CorpusStatus.js";
import "./corpora.css";

/** All corpora, or the one that the address names. */
export function CorporaPage() {
  const id = useIdOn("corpora");
  return id === undefined ? <CorpusList /> : <CorpusDetail key={id} id={id} />;
}

function CorpusList() {
  const { value, error, reload } = useLoaded(listCorpora, "corpora", 5000);
  const [creating, setCreating] = useState(false);
  return (
    <div className="page-scroll">
      <div className="page-inner">
        <PageHead title="Corpora" about="Sets of documents that can be searched and asked.">
          <Button look="primary" icon="plus" onClick={() => setCreating(true)}>
            New corpus
          </Button>
        </PageHead>
        {error !== undefined && <ErrorNotice error={error} action={<Button onClick={reload}>Try again</Button>} />}
        {value?.length === 0 && (
          <Empty
            title="Nothing here yet"
            action={
              <Button look="primary" icon="plus" onClick={() => setCreating(true)}>
                New corpus
              </Button>
            }
          >
            <p>Create a corpus and drop files on it: text, Markdown, HTML, PDF, Word documents and source code.</p>
          </Empty>
        )}
        <ul className="corpus-list">
          {value?.map((corpus) => (
            <li key={corpus.id}>
              <a href={linkTo("corpora", corpus.id)}>
                <span className="corpus-name">{corpus.name}</span>
                <CorpusStatus corpus={corpus} />
                <span className="faint small figure corpus-about">
                  {counted(corpus.file_counts.total, "file")} · {counted(corpus.chunks, "chunk")} ·{" "}
                  {bytes(corpus.bytes)} · {corpus.read_only ? "a folder of the server" : day(corpus.created_at)}
                </span>
              </a>
            </li>
          ))}
        </ul>
      </div>
      {creating && <NewCorpus onClose={() => setCreating(false)} />}
    </div>
  );
}

function NewCorpus({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [error, setError] = useState<string | undefined>();
  const [busy, setBusy] = useState(false);
  const create = async () => {
    setBusy(true);
    try {
      const corpus = await createCorpus(name.trim());
      onClose();
      go("corpora", corpus.id);
    } catch (reason) {
      setError(explain(reason));
      setBusy(false);
    }
  };
  return (
    <Dialog title="New corpus" onClose={onClose}>
      <form
        className="key-form"
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        <Field label="Name" error={error}>
          {(ids) => <input {...ids} className="input" value={name} onChange={(event) => setName(event.target.value)} />}
        </Field>
        <Button look="primary" type="submit" disabled={name.trim() === "" || busy}>
          Create
        </Button>
      </form>
    </Dialog>
  );
}
