import type { Chunk } from "../../corpus/document.js";
import type { CorpusIndex } from "../../corpus/index/corpus-index.js";
import { type MapNode, mapNodes } from "../../corpus/map/map-node.js";
import { scopedSource } from "../../corpus/map/scoped-source.js";
import { nearest, QuireError } from "../../errors.js";
import { drawMap } from "../map-process/draw-map.js";
import type { MapRequest } from "../map-process/map-request.js";
import { folderTree, type SizedFile } from "./folder-tree.js";

/** The map of one corpus: drawn once for what is indexed, kept until that changes. While it is being drawn, folders and files stand in
 *  for topics, and the map says so. */

export type ShownMap = MapNode & { readonly provisional?: true };

export interface AtlasOptions {
  /** After which the folders are shown instead; default 5 s. */
  readonly patienceMs?: number;
  readonly draw?: typeof drawMap;
}

interface Drawing {
  readonly version: string;
  readonly stop: AbortController;
  readonly root: Promise<MapNode>;
}

export class CorpusAtlas {
  readonly #index: CorpusIndex;
  readonly #signal: AbortSignal;
  readonly #options: AtlasOptions;
  #drawing: Drawing | undefined;

  constructor(index: CorpusIndex, signal: AbortSignal, options: AtlasOptions = {}) {
    this.#index = index;
    this.#signal = signal;
    this.#options = options;
  }

  async map(request: MapRequest, files: readonly SizedFile[]): Promise<ShownMap> {
    const { patienceMs = 5000 } = this.#options;
    const { root } = await this.#draw(request);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), patienceMs);
    });
    const drawn = await Promise.race([root, late]).finally(() => clearTimeout(timer));
    return drawn ?? { ...folderTree(request.title, files), provisional: true };
  }

  /** The index, of which only one topic can be found. */
  async scoped(topic: string, request: MapRequest): Promise<CorpusIndex> {
    const drawing = await this.#draw(request);
    const root = await drawing.root;
    const inside = new Set([...mapNodes(find(root, topic))].map(({ node }) => node.id));
    const { chunks } = await this.#index.all({ vectors: false });
    const within: Chunk[] = chunks.filter(({ id }) => inside.has(id));
    return { ...this.#index, ...scopedSource(this.#index, within) };
  }

  async #draw(request: MapRequest): Promise<Drawing> {
    const { draw = drawMap } = this.#options;
    const version = await this.#index.version();
    if (this.#drawing?.version !== version) {
      this.#drawing?.stop.abort();
      const stop = new AbortController();
      const root = draw(request, AbortSignal.any([this.#signal, stop.signal]));
      this.#drawing = { version, stop, root };
      root.catch(() => {
        if (this.#drawing?.root === root) this.#drawing = undefined;
      });
    }
    return this.#drawing;
  }
}

/** By id, by name, or by a part of a name. */
function find(root: MapNode, topic: string): MapNode {
  const nodes = [...mapNodes(root)].map(({ node }) => node);
  const wanted = topic.trim().toLowerCase();
  const found =
    nodes.find(({ id }) => id === topic) ??
    nodes.find(({ name }) => name.toLowerCase() === wanted) ??
    nodes.find(({ name }) => wanted !== "" && name.toLowerCase().includes(wanted));
  if (found !== undefined) return found;
  const known = nearest(topic, new Set(nodes.map(({ name }) => name)));
  throw new QuireError("not-found", `The map has no topic "${topic}".`, {
    got: topic,
    expected: known.length > 0 ? `such as ${known.join(", ")}` : "a topic's id or name",
  });
}
