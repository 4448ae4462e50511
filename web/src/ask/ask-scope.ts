import { go } from "../app/route.js";

/** A topic of the map that a question is to keep to. */

export interface AskScope {
  readonly corpus: string;
  readonly topic: string;
  readonly name: string;
}

let wanted: AskScope | undefined;

export function askWithin(scope: AskScope): void {
  wanted = scope;
  go("ask", scope.corpus);
}

/** The wish is met once: who comes to the page by another way asks the whole corpus. */
export function takeScope(): AskScope | undefined {
  const scope = wanted;
  wanted = undefined;
  return scope;
}
