import { useCallback, useEffect, useRef, useState } from "react";
import type { Corpus, MapNode, Place } from "../api/contract.js";
import { listCorpora, readMap } from "../api/corpora.js";
import { useLoaded } from "../api/use-loaded.js";
import { replace, useIdOn } from "../app/route.js";
import { askWithin } from "../ask/ask-scope.js";
import { CorpusSelect } from "../corpora/CorpusSelect.js";
import { NoCorpora } from "../corpora/NoCorpora.js";
import { SourcePanel } from "../source/SourcePanel.js";
import { counted } from "../ui/amounts.js";
import { Button } from "../ui/Button.js";
import { Empty } from "../ui/Empty.js";
import { ErrorNotice, Notice } from "../ui/Notice.js";
import { MapCanvas } from "./MapCanvas.js";
import { lightsFor, putOut } from "./map-lights.js";
import "./map-page.css";

/** What a corpus is made of: topics as areas, down to the lines of a source. */
export function MapPage() {
  const id = useIdOn("map");
  const corpora = useLoaded(listCorpora, "corpora");
  const corpus = corpora.value?.find((one) => one.id === id) ?? corpora.value?.[0];
  if (corpora.value !== undefined && corpus === undefined) return <NoCorpora title="Map" />;
  return (
    <div className="map-page">
      <header className="map-head">
        <h1 data-page-title>Map</h1>
        {corpora.value !== undefined && corpus !== undefined && (
          <CorpusSelect corpora={corpora.value} value={corpus.id} onChange={(next) => replace("map", next)} />
        )}
      </header>
      {corpora.error !== undefined && (
        <ErrorNotice error={corpora.error} action={<Button onClick={corpora.reload}>Try again</Button>} />
      )}
      {corpus !== undefined && <CorpusMap key={corpus.id} corpus={corpus} />}
    </div>
  );
}

const none: readonly Place[] = [];

function CorpusMap({ corpus }: { corpus: Corpus }) {
  const [again, setAgain] = useState<number | undefined>();
  const map = useLoaded((signal) => readMap(corpus.id, signal), `map ${corpus.id}`, again);
  const provisional = map.value?.provisional === true;
  const shown = useRef<MapNode | undefined>(undefined);
  // One stand-in for the other would only throw the reader back to the whole.
  if (!(provisional && shown.current?.provisional === true)) shown.current = map.value ?? shown.current;
  useEffect(() => setAgain(provisional ? 5000 : undefined), [provisional]);
  const [lights, setLights] = useState(() => lightsFor(corpus.id));
  const [open, setOpen] = useState<Place | undefined>();
  const [topic, setTopic] = useState<MapNode | undefined>();
  const opener = useRef<Element | null>(null);
  const close = useCallback(() => {
    setOpen(undefined);
    if (opener.current instanceof HTMLElement) opener.current.focus();
  }, []);

  const root = shown.current;
  if (map.error !== undefined && root === undefined) {
    return <ErrorNotice error={map.error} action={<Button onClick={map.reload}>Try again</Button>} />;
  }
  if (root === undefined) return <p className="map-wait">Drawing the map</p>;
  if ((root.children?.length ?? 0) === 0) {
    return (
      <Empty title="Nothing to draw yet">
        <p>The map appears once files have been indexed.</p>
      </Empty>
    );
  }
  return (
    <div className="with-source map-view" data-open={open !== undefined}>
      <div className="map-main">
        {provisional && (
          <Notice look="note">The topics are being worked out. Until then the map shows folders and files.</Notice>
        )}
        {lights !== undefined && (
          <Notice
            look="note"
            action={
              <Button
                look="quiet"
                onClick={() => {
                  putOut();
                  setLights(undefined);
                }}
              >
                Put out
              </Button>
            }
          >
            {counted(lights.places.length, "place")} lit: {lights.about}
          </Notice>
        )}
        <MapCanvas
          root={root}
          title={corpus.name}
          lit={lights?.places ?? none}
          onFocus={(id) => setTopic(id === root.id ? undefined : topicOf(root, id))}
          onOpen={(place) => {
            opener.current = document.activeElement;
            setOpen(place);
          }}
        />
        {topic !== undefined && !provisional && (
          <Button
            className="map-ask"
            icon="ask"
            onClick={() => askWithin({ corpus: corpus.id, topic: topic.id, name: topic.name })}
          >
            {`Ask about “${topic.name}”`}
          </Button>
        )}
      </div>
      {open !== undefined && <SourcePanel corpus={corpus.id} place={open} onClose={close} />}
    </div>
  );
}

/** The topic with this id; a chunk is none. */
function topicOf(root: MapNode, id: string): MapNode | undefined {
  const stack = [root];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node.id === id) return node.chunk === undefined ? node : undefined;
    for (const child of node.children ?? []) stack.push(child);
  }
  return undefined;
}
