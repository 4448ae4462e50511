import { QuireError } from "../../errors.js";

/** A keyword that is understood and cannot be kept: never passed over in silence. */
export function unsupported(path: string, keyword: string, why: string): QuireError {
  return new QuireError("unsupported", `The JSON schema uses "${keyword}" at ${path || "#"}: ${why}.`, {
    got: keyword,
    expected: "a schema without it",
    fix: "Leave it out and check the answer for it afterwards.",
  });
}

export function wrongSchema(path: string, keyword: string, expected: string, got: unknown): QuireError {
  return new QuireError("bad-option", `The JSON schema is wrong at ${path || "#"}: "${keyword}" must be ${expected}.`, {
    got,
    expected,
  });
}

/** No value fits this part; a choice that holds it can do without it. */
export class NothingFits extends QuireError {
  constructor(path: string, why: string) {
    super("bad-option", `No value fits the JSON schema at ${path || "#"}: ${why}.`, {
      got: why,
      expected: "a schema that some value fits",
    });
  }
}
