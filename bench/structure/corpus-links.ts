import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linkKinds } from "../../src/corpus/graph/link-kinds.js";
import { openCorpus } from "../../src/corpus-session.js";
import { type EdgeList, edgesOf } from "../../src/structure/compressed-graph.js";
import { fetchDebianPackage } from "../ask/debian-package.js";

/** The graph of a real corpus: chunks and files of the Debian Policy Manual, linked by meaning, citation and shared terms. */

export interface CorpusLinks {
  readonly edges: EdgeList;
  /** How many links are of each kind, and how the nearest were found. */
  readonly detail: string;
}

export async function corpusLinks(): Promise<CorpusLinks | { readonly skipped: string }> {
  const folder = await mkdtemp(join(tmpdir(), "quire-bench-links-"));
  try {
    const fetched = await fetchDebianPackage("debian-policy", folder);
    if ("skipped" in fetched) return fetched;
    const corpus = await openCorpus(join(fetched.folder, "usr/share/doc/debian-policy/policy.html"), {
      indexFolder: join(folder, "index"),
      files: { exclude: ["_static/**", "_sources/**", "genindex.html", "search.html"] },
    });
    try {
      const { links, chunks, files, nearBy } = await corpus.graph();
      const sources: number[] = [];
      const targets: number[] = [];
      for (const kind of linkKinds) {
        const edges = edgesOf(links[kind].decode());
        for (let e = 0; e < edges.sources.length; e++) {
          sources.push(edges.sources[e]!);
          targets.push(edges.targets[e]!);
        }
      }
      const kinds = linkKinds.map((kind) => `${links[kind].edgeCount} ${kind}`).join(", ");
      return {
        edges: { nodeCount: chunks.length + files.uris.length, sources, targets },
        detail: `${chunks.length} chunks of ${files.uris.length} files; ${kinds}; near by ${nearBy}`,
      };
    } finally {
      await corpus.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
