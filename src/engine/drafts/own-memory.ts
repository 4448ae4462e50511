import type { CacheType, KeyValueShape } from "../../cache/store/key-values.js";
import { QuireError } from "../../errors.js";
import type { LoadedModel } from "../model.js";

/** The form of a draft's own memory. */
export function ownMemory({ architecture, config, path }: LoadedModel, type: CacheType): KeyValueShape {
  const layers = architecture.memory(config).map((need) => {
    if (need.kind === "keys-values" && need.window === undefined && need.list === undefined) return need;
    throw new QuireError("unsupported", `${path} cannot draft: not all of its layers see the whole text.`, {
      got: architecture.name,
      expected: "a model whose layers keep keys and values of every token",
      fix: "Draft with lookup, ngram or another model.",
    });
  });
  return { layers, type };
}
