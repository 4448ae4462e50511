import type { ChunkContext, ChunkModel } from "../corpus/chunk/chunker.js";
import type { LanguageModel } from "./language-model.js";

/** A language model as chunkers see it. */
export function chunkModel(model: LanguageModel): ChunkModel {
  const { id, contextTokens, parameters, scoring } = model;
  return {
    id,
    contextTokens,
    parameters,
    scoring,
    answer: async (prompt, { schema, maxTokens, signal }) => {
      const messages = [{ role: "user" as const, content: prompt }];
      return (await model.generate({ messages, schema, maxTokens, signal, temperature: 0 })).text;
    },
  };
}

/** What chunkers get from a model, or without one. */
export function chunkingWith(
  model: LanguageModel | undefined,
  note?: (notice: string) => void,
): Pick<ChunkContext, "tokenEnds" | "model" | "note"> {
  if (model === undefined) return { note };
  return { note, model: chunkModel(model), tokenEnds: model.tokenEnds?.bind(model) };
}
