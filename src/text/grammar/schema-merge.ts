/** Two JSON schemas as one that both must hold, as far as one schema can say it. */

import { isDeepStrictEqual } from "node:util";
import { NothingFits, unsupported } from "./schema-error.js";

export type SchemaObject = Readonly<Record<string, unknown>>;
export type Schema = SchemaObject | boolean;

/** Say nothing about what is valid. */
export const annotations: ReadonlySet<string> = new Set([
  "title",
  "description",
  "default",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly",
  "contentEncoding",
  "contentMediaType",
  "$schema",
  "$id",
  "id",
  "$anchor",
  "$comment",
  "$defs",
  "definitions",
]);

export function mergeSchemas(a: Schema, b: Schema, path: string): Schema {
  if (a === true) return b;
  if (b === true) return a;
  if (a === false || b === false) return false;
  const merged: Record<string, unknown> = { ...a };
  for (const [keyword, value] of Object.entries(b)) {
    if (annotations.has(keyword) || !(keyword in merged) || isDeepStrictEqual(merged[keyword], value)) {
      merged[keyword] = value;
      continue;
    }
    const combine = Object.hasOwn(combined, keyword) ? combined[keyword] : undefined;
    if (combine === undefined) throw unsupported(path, keyword, "two different ones hold at the same place");
    merged[keyword] = combine(merged[keyword], value, path);
  }
  return withObjectParts(merged, a, b);
}

type Combine = (a: unknown, b: unknown, path: string) => unknown;

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value]);
const both = (a: unknown, b: unknown) => ({ allOf: [a, b] });
const larger: Combine = (a, b) => Math.max(Number(a), Number(b));
const smaller: Combine = (a, b) => Math.min(Number(a), Number(b));

const combined: Readonly<Record<string, Combine>> = {
  type: (a, b, path) => {
    const types = list(a).flatMap((type) =>
      list(b).flatMap((other) => {
        if (type === other || (type === "integer" && other === "number")) return [type];
        return type === "number" && other === "integer" ? [other] : [];
      }),
    );
    if (types.length === 0) throw new NothingFits(path, `nothing is of type ${list(a)} and ${list(b)}`);
    return [...new Set(types)];
  },
  enum: (a, b, path) => {
    const shared = list(a).filter((value) => list(b).some((other) => isDeepStrictEqual(value, other)));
    if (shared.length === 0) throw new NothingFits(path, "two lists of values have none in common");
    return shared;
  },
  const: (a, b, path) => {
    throw new NothingFits(path, `nothing is ${JSON.stringify(a)} and ${JSON.stringify(b)}`);
  },
  required: (a, b) => [...new Set([...list(a), ...list(b)])],
  properties: (a) => a, // by withObjectParts
  additionalProperties: (a) => a, // by withObjectParts
  items: both,
  allOf: (a, b) => [...list(a), ...list(b)],
  anyOf: (a, b) => list(a).flatMap((first) => list(b).map((second) => both(first, second))),
  minLength: larger,
  maxLength: smaller,
  minItems: larger,
  maxItems: smaller,
  minimum: larger,
  exclusiveMinimum: larger,
  maximum: smaller,
  exclusiveMaximum: smaller,
};

/** A property that one schema names is for the other one an additional one. */
function withObjectParts(merged: Record<string, unknown>, a: SchemaObject, b: SchemaObject): SchemaObject {
  const first = propertiesOf(a);
  const second = propertiesOf(b);
  if (Object.keys(first).length + Object.keys(second).length > 0) {
    const properties: Record<string, unknown> = Object.create(null);
    for (const name of new Set([...Object.keys(first), ...Object.keys(second)])) {
      const one = Object.hasOwn(first, name) ? first[name] : (a["additionalProperties"] ?? true);
      const other = Object.hasOwn(second, name) ? second[name] : (b["additionalProperties"] ?? true);
      if (one === true || other === true) {
        properties[name] = one === true ? other : one;
      } else if (one === false || other === false) {
        properties[name] = false;
      } else {
        properties[name] = isDeepStrictEqual(one, other) ? one : both(one, other);
      }
    }
    merged["properties"] = properties;
  }
  const one = a["additionalProperties"];
  const other = b["additionalProperties"];
  if (one !== undefined && other !== undefined && !isDeepStrictEqual(one, other)) {
    merged["additionalProperties"] = one === false || other === false ? false : both(one, other);
  }
  return merged;
}

function propertiesOf(schema: SchemaObject): Record<string, unknown> {
  const properties = schema["properties"];
  return typeof properties === "object" && properties !== null ? (properties as Record<string, unknown>) : {};
}
