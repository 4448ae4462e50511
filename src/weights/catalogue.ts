import { nearest, QuireError } from "../errors.js";
import { catalogueEntries } from "./catalogue-entries.js";
import type { ModelSource } from "./model-source.js";

/** The models that have short names. */

export interface CatalogueEntry {
  readonly name: string;
  readonly title: string;
  /** A base model continues text and was not taught to answer. */
  readonly kind: "chat" | "base" | "embedding";
  readonly architecture: "llama" | "qwen2" | "qwen3" | "gemma3" | "bert";
  readonly licence: string;
  /** Anyone may use it for anything; false where the licence sets terms of its own. */
  readonly open: boolean;
  readonly parameters: number;
  readonly contextTokens: number;
  /** Of the whole machine: below this it will not run well. */
  readonly minMemoryBytes: number;
  /** Tried in order. */
  readonly sources: readonly ModelSource[];
  /** Of all files of the first source. */
  readonly sizeBytes: number;
  /** Of the file that is opened, where a source fixes it beforehand. */
  readonly sha256: string | undefined;
}

export const catalogue: ReadonlyMap<string, CatalogueEntry> = new Map(
  catalogueEntries.map((entry) => [
    entry.name,
    { ...entry, sizeBytes: sizeOfSource(entry.sources[0]), sha256: mainHash(entry.sources) },
  ]),
);

function sizeOfSource(source: ModelSource | undefined): number {
  if (source === undefined || source.kind === "url") return 0;
  return source.files.reduce((sum, file) => sum + file.sizeBytes, 0);
}

function mainHash(sources: readonly ModelSource[]): string | undefined {
  for (const source of sources) {
    if (source.kind === "url") continue;
    // The weights are by far the largest file of a folder.
    const [largest] = [...source.files].sort((a, b) => b.sizeBytes - a.sizeBytes);
    if (largest?.sha256 !== undefined) return largest.sha256;
  }
  return undefined;
}

export function findModel(name: string): CatalogueEntry | undefined {
  return catalogue.get(name.toLowerCase());
}

export function unknownModel(name: string): QuireError {
  const near = nearest(name, catalogue.keys());
  return new QuireError("not-found", `There is no model called "${name}".`, {
    got: name,
    expected: "a name from the catalogue, a path, hf:org/repo/file.gguf, or an https address",
    fix: near.length > 0 ? `Did you mean ${near.join(" or ")}?` : "`quire models list` shows the names.",
  });
}

/** A model may take this share of the memory; the rest is for its cache, the system, and everything else the user runs. */
const shareOfMemory = 1 / 5;

/** The best chat model that suits a machine: the largest openly licensed one that leaves the memory mostly free, of those that
 *  can be had. Without the hub that is what is installed or has a package, at least the smallest. */
export function defaultChatModel(machine: {
  readonly memoryBytes: number;
  readonly reachable: boolean;
  readonly installed?: ReadonlySet<string>;
}): CatalogueEntry {
  const { memoryBytes, reachable, installed } = machine;
  const fitting = [...catalogue.values()].filter(
    (entry) =>
      entry.kind === "chat" &&
      entry.open &&
      entry.minMemoryBytes <= memoryBytes &&
      entry.sizeBytes <= memoryBytes * shareOfMemory &&
      (reachable || installed?.has(entry.name) || entry.sources.some((source) => source.kind === "package")),
  );
  const [best] = fitting.sort((a, b) => b.parameters - a.parameters);
  return best ?? (catalogue.get("smollm2-135m-instruct") as CatalogueEntry);
}
