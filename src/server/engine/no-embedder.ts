import { QuireError } from "../../errors.js";

export function noEmbedder(): QuireError {
  return new QuireError("unsupported", "This server has no embedding model.", {
    fix: "Start it with --embedder all-minilm-l6-v2, or another embedding model.",
  });
}
