/** Keys of properties that the schema does not name: any text without escapes but the names, as a tree of their letters. */

import {
  type CodeRange,
  characters,
  choice,
  complement,
  type Expression,
  repeat,
  sequence,
  text,
} from "./expression.js";
import { escaped } from "./json-text.js";

const plainCharacter = characters(complement(escaped));

export function otherKey(names: readonly string[], define: (expression: Expression) => Expression): Expression {
  // Names that JSON writes with escapes cannot be met.
  const plain = names.filter((name) => JSON.stringify(name) === `"${name}"`).map((name) => Array.from(name));
  return sequence(text('"'), after(plain, 0, define));
}

/** The rest of a key that shares its first `depth` characters with all of `names`, and its closing quote. */
function after(names: readonly string[][], depth: number, define: (expression: Expression) => Expression): Expression {
  const isName = names.some((name) => name.length === depth);
  const byNext = new Map<string, string[][]>();
  for (const name of names) {
    const next = name[depth];
    if (next !== undefined) byNext.set(next, [...(byNext.get(next) ?? []), name]);
  }
  const taken = [...byNext.keys()].map(
    (character): CodeRange => [character.codePointAt(0)!, character.codePointAt(0)!],
  );
  const options: Expression[] = isName ? [] : [text('"')];
  options.push(
    sequence(characters(complement([...escaped, ...taken])), repeat(plainCharacter, 0), text('"')),
    ...[...byNext].map(([character, longer]) => sequence(text(character), after(longer, depth + 1, define))),
  );
  return define(choice(...options));
}
