/** What a parser of one format gives back; `parse.ts` makes a document of it. */

import type { Document, Section, SourceSpan } from "../document.js";

export interface ParsedText {
  readonly text: string;
  readonly sections: readonly Section[];
  readonly sourceMap?: readonly SourceSpan[];
  readonly meta?: Document["meta"];
}
