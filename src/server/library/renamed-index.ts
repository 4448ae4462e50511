import type { Chunk } from "../../corpus/document.js";
import type { CorpusIndex } from "../../corpus/index/corpus-index.js";

/** An index whose files go by other names than on disk. */

export interface FileNames {
  /** From the name on disk. */
  shown(uri: string): string;
  onDisk(name: string): string;
}

export function renamedIndex(index: CorpusIndex, names: FileNames): CorpusIndex {
  const out = (chunk: Chunk): Chunk => ({ ...chunk, uri: names.shown(chunk.uri) });
  const back = (chunk: Chunk): Chunk => ({ ...chunk, uri: names.onDisk(chunk.uri) });
  return {
    folder: index.folder,
    indexFolder: index.indexFolder,
    update: (options) => index.update(options),
    search: async (query, options) =>
      (await index.search(query, options)).map((found) => ({ ...found, chunk: out(found.chunk) })),
    neighbours: async (chunk, width) => (await index.neighbours(back(chunk), width)).map(out),
    document: async (name, signal) => ({ ...(await index.document(names.onDisk(name), signal)), uri: name }),
    all: async (options) => {
      const all = await index.all(options);
      return { ...all, chunks: all.chunks.map(out) };
    },
    version: () => index.version(),
    stats: () => index.stats(),
    close: () => index.close(),
  };
}
