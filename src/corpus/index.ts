/** Documents, chunks and what searches them: the public face of this folder. */

export { type ChunkContext, type Chunker, type ChunkFunction, chunker } from "./chunk/chunker.js";
export { fixed } from "./chunk/fixed.js";
export { recursive } from "./chunk/recursive.js";
export { sentence } from "./chunk/sentence.js";
export type { ByteRange, Chunk, Document, Section, SourceSpan } from "./document.js";
export {
  type CorpusIndex,
  type CorpusIndexOptions,
  openCorpusIndex,
  type UpdateOptions,
} from "./index/corpus-index.js";
export { type Fused, fuseRankings } from "./index/fuse.js";
export type { IndexStats } from "./index/reader.js";
export type { IndexProgress, SkippedFile, UpdateResult } from "./index/update.js";
export type { EmbedFunction } from "./index/writer.js";
export { type TextPositions, textPositions } from "./lines.js";
export { type Format, type ParseRequest, parseDocument } from "./parse/parse.js";
export { corag } from "./select/corag.js";
export { fillBudget, type Ranked } from "./select/fill-budget.js";
export { hybrid } from "./select/hybrid.js";
export { meteora } from "./select/meteora.js";
export { mmr } from "./select/mmr.js";
export { rerank } from "./select/rerank.js";
export {
  type Candidate,
  type CandidateSource,
  type Evidence,
  type EvidenceBudget,
  type SearchMode,
  type SelectContext,
  type SelectFunction,
  type SelectNote,
  type Selector,
  selector,
} from "./select/selector.js";
export { topk } from "./select/topk.js";
export { sourceLines, sourcePages } from "./source-lines.js";
export { type SkippedPath, type SkipReason, type WalkEntry, type WalkedFile, type WalkOptions, walk } from "./walk.js";
