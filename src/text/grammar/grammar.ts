/** What a model's answer must look like, from a JSON schema, a zod schema or a GBNF text. */

import { z } from "zod";
import { QuireError } from "../../errors.js";
import type { Tokenizer } from "../tokenizer.js";
import type { Grammar } from "./expression.js";
import { readGbnf } from "./gbnf.js";
import { type GrammarMasks, grammarMasks } from "./grammar-mask.js";
import { readJsonSchema } from "./json-schema.js";

export type GrammarSource =
  | { readonly gbnf: string }
  /** A JSON schema as an object (or true: any JSON), or a zod schema. */
  | { readonly schema: unknown };

export function readGrammar(source: GrammarSource): Grammar {
  if ("gbnf" in source) {
    if (typeof source.gbnf === "string") return readGbnf(source.gbnf);
    throw new QuireError("bad-option", "The grammar is not a text.", {
      got: typeof source.gbnf,
      expected: "a GBNF text",
    });
  }
  return readJsonSchema(source.schema instanceof z.ZodType ? schemaOfZod(source.schema) : source.schema);
}

/** Masks for one tokenizer; `create()` starts one for each sequence. Keep the result where the same grammar is used again. */
export function grammarFor(source: GrammarSource, tokenizer: Tokenizer): GrammarMasks {
  return grammarMasks(readGrammar(source), tokenizer);
}

/** The schema of what zod takes in: that is what the model writes. */
function schemaOfZod(schema: z.ZodType): unknown {
  try {
    return z.toJSONSchema(schema, { io: "input" });
  } catch (cause) {
    throw new QuireError("unsupported", `The zod schema has no JSON schema: ${(cause as Error).message}`, {
      expected: "a schema without functions, dates, maps and the like",
      cause,
    });
  }
}
