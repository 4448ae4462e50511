/** A document as every chunker, selector and program sees it. `text` is what the parser extracted; all stored offsets are
 *  bytes of its UTF-8 form, half-open. Line numbers are 1-based and derived when shown (`lines.ts`). */

export interface Document {
  /** SHA-256 of the original bytes, in hex. */
  readonly id: string;
  /** Path relative to the corpus root, with forward slashes; or another stable name. */
  readonly uri: string;
  readonly mime: string;
  readonly text: string;
  /** Headings, definitions or pages, in document order. */
  readonly sections: readonly Section[];
  /** Leads from ranges of `text` back to the original where the two differ (PDF page, HTML line). Empty = identical. */
  readonly sourceMap: readonly SourceSpan[];
  readonly meta: Readonly<Record<string, string | number | boolean>>;
}

export interface ByteRange {
  readonly startByte: number;
  readonly endByte: number;
}

export interface Section extends ByteRange {
  readonly title: string;
  /** 1 = outermost. */
  readonly level: number;
  readonly kind: "heading" | "definition" | "page" | "cell" | "record" | "speaker";
}

export interface SourceSpan extends ByteRange {
  readonly page?: number;
  /** Lines in the original file, 1-based and inclusive, where they differ from the lines of `text`. */
  readonly startLine?: number;
  readonly endLine?: number;
}

/** A passage. Core ranges of one chunker are contiguous and concatenate to the document's text; overlap is context only. */
export interface Chunk extends ByteRange {
  /** Hash of document id, range and chunker label. */
  readonly id: string;
  readonly documentId: string;
  readonly uri: string;
  readonly text: string;
  readonly startLine: number;
  readonly endLine: number;
  /** Headings or signatures above it: shown to the model and the index, not part of the range. */
  readonly header: string;
  readonly order: number;
}
