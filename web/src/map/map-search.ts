import type { MapModel } from "./map-model.js";

/** Finds nodes by words: all of them must stand in a node's name, its topic words, its file or its beginning. */

export function searchMap(model: MapModel, query: string, most = 5000): number[] {
  const words = query
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  if (words.length === 0) return [];
  const found: number[] = [];
  const texts = searchable(model);
  for (let node = 1; node < model.count && found.length < most; node++) {
    const text = texts[node]!;
    if (words.every((word) => text.includes(word))) found.push(node);
  }
  return found;
}

const kept = new WeakMap<MapModel, string[]>();

function searchable(model: MapModel): string[] {
  let texts = kept.get(model);
  if (texts === undefined) {
    texts = Array.from({ length: model.count }, (_, node) =>
      [model.names[node], ...model.termsOf(node), model.place(node)?.file ?? "", model.excerptOf(node) ?? ""]
        .join("\n")
        .toLowerCase(),
    );
    kept.set(model, texts);
  }
  return texts;
}

/** Lit chunks: those found, and all below a topic that was found by its own words. Counts go up to every topic above. */
export function litChunks(model: MapModel, nodes: Iterable<number>): { lit: Set<number>; below: Map<number, number> } {
  const lit = new Set<number>();
  for (const node of nodes) if (model.isChunk(node)) lit.add(node);
  const below = new Map<number, number>();
  for (const node of lit) {
    for (let up = model.parents[node]!; up > 0; up = model.parents[up]!) below.set(up, (below.get(up) ?? 0) + 1);
  }
  return { lit, below };
}
