/** The tokenizer of a model on disk: of a GGUF file, or of a folder with a tokenizer.json. */

import { stat } from "node:fs/promises";
import { QuireError } from "../errors.js";
import { openGguf } from "../weights/gguf.js";
import { ggufTokenizer } from "./gguf-tokenizer.js";
import { openHfTokenizer } from "./hf-tokenizer.js";
import type { Tokenizer } from "./tokenizer.js";

export async function openTokenizer(path: string): Promise<Tokenizer> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new QuireError("not-found", `${path} cannot be opened: ${cause.message}`, {
      got: path,
      expected: "a GGUF file, or a folder with tokenizer.json",
      cause,
    });
  });
  if (found.isDirectory()) return openHfTokenizer(path);
  const file = await openGguf(path);
  try {
    return ggufTokenizer(file.metadata);
  } finally {
    await file.close();
  }
}
