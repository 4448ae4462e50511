/** Topics without a graph: folders, in them files, in them the outermost headings that differ. For corpora too small for communities,
 *  and for what no link joins to the rest. */

import type { Chunk } from "../document.js";
import { leafTopic, type Topic, topicOf } from "./topic.js";

/** A file of fewer chunks is not divided by its headings. */
const leastForHeadings = 12;

export function fileTopics(chunks: readonly Chunk[], members: Int32Array): Topic {
  const files = new Map<string, number[]>();
  for (const c of members) {
    const { uri } = chunks[c]!;
    const known = files.get(uri);
    if (known === undefined) files.set(uri, [c]);
    else known.push(c);
  }
  return folder(
    [...files].map(([uri, own]) => ({ path: uri.split("/"), own })),
    0,
  );

  function folder(entries: readonly { path: readonly string[]; own: readonly number[] }[], depth: number): Topic {
    const [first] = entries;
    if (first !== undefined && entries.length === 1) return fileTopic(first.path.slice(depth).join("/"), first.own);
    const named = new Map<string, (typeof entries)[number][]>();
    for (const entry of entries) {
      const name = entry.path.length > depth + 1 ? `${entry.path[depth]}/` : entry.path[depth]!;
      const known = named.get(name);
      if (known === undefined) named.set(name, [entry]);
      else known.push(entry);
    }
    const topics = [...named].map(([name, inner]) =>
      inner.length === 1 && !name.endsWith("/")
        ? fileTopic(name, inner[0]!.own)
        : topicOf([folder(inner, depth + 1)], name),
    );
    return topicOf(topics);
  }

  function fileTopic(name: string, own: readonly number[]): Topic {
    const parts = own.length < leastForHeadings ? undefined : byHeading(chunks, own);
    return parts === undefined ? leafTopic(own, name) : { ...topicOf(parts), name };
  }
}

/** Runs of chunks under one heading, at the first level at which there are several; undefined where there is none. */
function byHeading(chunks: readonly Chunk[], own: readonly number[]): Topic[] | undefined {
  const paths = own.map((c) => chunks[c]!.header.split(" > "));
  for (let level = 0; level < 4; level++) {
    const runs: { name: string; chunks: number[] }[] = [];
    for (const [i, c] of own.entries()) {
      const name = paths[i]![level] ?? "";
      const last = runs[runs.length - 1];
      if (last === undefined || last.name !== name) runs.push({ name, chunks: [c] });
      else last.chunks.push(c);
    }
    if (runs.length < 2) continue;
    if (runs.length > own.length / 2) return undefined;
    return runs.map(({ name, chunks: inside }) => leafTopic(inside, name === "" ? undefined : name));
  }
  return undefined;
}
