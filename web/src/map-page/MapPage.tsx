import { useCallback, useMemo, useRef, useState } from "react";
import type { MapNode, Place } from "../api/contract.js";
import { listCorpora, readMap, searchCorpus } from "../api/corpora.js";
import { useLoaded } from "../api/use-loaded.js";
import { replace, useRoute } from "../app/route.js";
import { CorpusSelect } from "../corpora/CorpusSelect.js";
import { NoCorpora } from "../corpora/NoCorpora.js";
import { SourcePanel } from "../source/SourcePanel.js";
import { counted } from "../ui/amounts.js";
import { Button } from "../ui/Button.js";
import { Empty } from "../ui/Empty.js";
import { Icon } from "../ui/Icon.js";
import { ErrorNotice } from "../ui/Notice.js";
import { MapOutline } from "./MapOutline.js";
import { isGroup, nodesHolding, pathTo } from "./map-tree.js";
import { Treemap } from "./Treemap.js";
import "./map.css";

/** What a corpus is made of: topics as areas, down to the lines of a source. */
export function MapPage() {
  const { id } = useRoute();
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
      {corpus !== undefined && <CorpusMapView key={corpus.id} corpus={corpus.id} />}
    </div>
  );
}

function CorpusMapView({ corpus }: { corpus: string }) {
  const map = useLoaded((signal) => readMap(corpus, signal), `map ${corpus}`);
  const [currentId, setCurrentId] = useState<string | undefined>();
  const [places, setPlaces] = useState<readonly Place[]>([]);
  const [query, setQuery] = useState("");
  const [searchError, setSearchError] = useState<unknown>();
  const [open, setOpen] = useState<Place | undefined>();
  const opener = useRef<Element | null>(null);

  const root = map.value;
  const path = useMemo(
    () => (root === undefined ? [] : ((currentId === undefined ? undefined : pathTo(root, currentId)) ?? [root])),
    [root, currentId],
  );
  const lit = useMemo(
    () => (root === undefined || places.length === 0 ? new Set<string>() : nodesHolding(root, places)),
    [root, places],
  );
  const hues = useMemo(
    () =>
      new Map(
        [...(root?.children ?? [])]
          .sort((a, b) => b.size - a.size)
          .map((child, index): [string, number] => [child.id, (index % 6) + 1]),
      ),
    [root],
  );
  const close = useCallback(() => {
    setOpen(undefined);
    if (opener.current instanceof HTMLElement) opener.current.focus();
  }, []);

  const openNode = (node: MapNode) => {
    if (isGroup(node) || node.id === root?.id) return setCurrentId(node.id);
    if (node.chunk !== undefined) {
      opener.current = document.activeElement;
      setOpen(node.chunk);
    }
  };
  const search = async () => {
    setSearchError(undefined);
    if (query.trim() === "") return setPlaces([]);
    try {
      setPlaces(await searchCorpus(corpus, query.trim(), 20));
    } catch (error) {
      setSearchError(error);
    }
  };

  if (map.error !== undefined) {
    return <ErrorNotice error={map.error} action={<Button onClick={map.reload}>Try again</Button>} />;
  }
  const current = path.at(-1);
  if (root === undefined || current === undefined) return <p className="map-wait">Drawing the map</p>;
  if (!isGroup(root)) {
    return (
      <Empty title="Nothing to draw yet">
        <p>The map appears once files have been indexed.</p>
      </Empty>
    );
  }
  const chunks = lit.size === 0 ? 0 : countLit(root, lit);
  return (
    <div className="with-source map-view" data-open={open !== undefined}>
      <div className="map-main">
        <div className="map-bar">
          <nav className="map-path" aria-label="Where in the map">
            <ol>
              {path.map((node, index) => (
                <li key={node.id}>
                  {index > 0 && <Icon name="chevron" size={14} />}
                  {index === path.length - 1 ? (
                    <span aria-current="location">{node.name}</span>
                  ) : (
                    <button type="button" onClick={() => setCurrentId(node.id)}>
                      {node.name}
                    </button>
                  )}
                </li>
              ))}
            </ol>
          </nav>
          <form
            className="map-search"
            onSubmit={(event) => {
              event.preventDefault();
              void search();
            }}
          >
            <span className="small figure faint" role="status">
              {places.length > 0 ? `${counted(chunks, "region")} lit` : ""}
            </span>
            <input
              className="input"
              type="search"
              aria-label="Light up passages about"
              placeholder="Light up passages about…"
              value={query}
              onChange={(event) => {
                setQuery(event.target.value);
                if (event.target.value === "") setPlaces([]);
              }}
            />
          </form>
        </div>
        {searchError !== undefined && <ErrorNotice error={searchError} />}
        <div className="map-body">
          <Treemap
            top={current}
            hues={hues}
            hue={path.length < 2 ? undefined : hues.get(path[1]?.id ?? "")}
            lit={lit}
            onOpen={openNode}
            onUp={() => setCurrentId(path.at(-2)?.id ?? root.id)}
          />
          <MapOutline root={root} current={current.id} lit={lit} onOpen={openNode} />
        </div>
        <p className="map-legend small faint">
          Area is the amount of text. Colours are the {counted(root.children?.length ?? 0, "topic")} of the first level
          {hues.size > 6 ? " and repeat after six" : ""}. Esc goes one level up.
        </p>
      </div>
      {open !== undefined && <SourcePanel corpus={corpus} place={open} onClose={close} />}
    </div>
  );
}

function countLit(root: MapNode, lit: ReadonlySet<string>): number {
  let count = 0;
  const stack = [root];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node.chunk !== undefined && lit.has(node.id)) count++;
    stack.push(...(node.children ?? []));
  }
  return count;
}
