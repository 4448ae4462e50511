/** Quire: open language models over inputs far larger than any context window. */
export { Chat, type ChatOptions } from "./chat.js";
export { type AskOptions, Corpus, type CorpusOptions, openCorpus } from "./corpus-session.js";
export { Embedder, type EmbedderOptions, type EmbedOptions } from "./engine/embedder.js";
export { type ErrorCode, exitCode, isQuireError, QuireError } from "./errors.js";
export type { GenerateOptions, GeneratePiece, GenerateResult } from "./generate-options.js";
export {
  type CacheInspection,
  type CacheSnapshot,
  type InspectOptions,
  inspectCache,
  keptShares,
} from "./inspect/cache-inspection.js";
export type { MethodHead, MethodKind, Part } from "./method.js";
export { type MethodRow, methods, partOf, selectable } from "./methods.js";
export { type EndpointModel, type EndpointOptions, openEndpoint } from "./programs/endpoint.js";
export type { ChatMessage, Generation, GenerationRequest, LanguageModel } from "./programs/language-model.js";
export { type OpenOptions, type OpenProgress, Quire, type TokenScores } from "./quire.js";
export { planReading, type ReadSessionOptions, readableText, readThrough } from "./read-session.js";
export { listDevices } from "./tensor/device.js";
export type { TextScoring, TokenLogProbOptions, TokenLogProbs } from "./text/text-scoring.js";
export { trainingRun } from "./train/loop.js";
export { openRun } from "./train/open-run.js";
export { defineRecipe, parseRecipe, type Recipe } from "./train/recipe.js";
export { resolveModel } from "./weights/resolve-model.js";
