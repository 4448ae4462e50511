/** Whether no value can fit two of the schemas of a "oneOf": told by their types, by listed values, or by a property that all have
 *  and that names the kind. */

import { isDeepStrictEqual } from "node:util";
import type { Schema, SchemaObject } from "./schema-merge.js";

export function oneAtMost(schemas: readonly Schema[]): boolean {
  return schemas.every((schema, i) => schemas.slice(i + 1).every((other) => areApart(schema, other)));
}

function areApart(a: Schema, b: Schema): boolean {
  if (a === false || b === false) return true;
  if (a === true || b === true) return false;
  const first = typesOf(a);
  const second = typesOf(b);
  if (
    first !== undefined &&
    second !== undefined &&
    !first.some((type) => second.some((other) => overlap(type, other)))
  ) {
    return true;
  }
  const values = valuesOf(a);
  const others = valuesOf(b);
  if (values !== undefined && others !== undefined) {
    return !values.some((value) => others.some((other) => isDeepStrictEqual(value, other)));
  }
  return discriminated(a, b);
}

function discriminated(a: SchemaObject, b: SchemaObject): boolean {
  if (!isObjectOnly(a) || !isObjectOnly(b)) return false;
  const first = (a["properties"] ?? {}) as Record<string, unknown>;
  const second = (b["properties"] ?? {}) as Record<string, unknown>;
  return requiredOf(a).some((name) => {
    if (typeof name !== "string" || !requiredOf(b).includes(name)) return false;
    const values = valuesOf(first[name]);
    const others = valuesOf(second[name]);
    return (
      values !== undefined &&
      others !== undefined &&
      !values.some((value) => others.some((other) => isDeepStrictEqual(value, other)))
    );
  });
}

function isObjectOnly(schema: SchemaObject): boolean {
  const types = typesOf(schema);
  return types?.length === 1 && types[0] === "object";
}

function requiredOf(schema: SchemaObject): readonly unknown[] {
  return Array.isArray(schema["required"]) ? schema["required"] : [];
}

function valuesOf(schema: unknown): readonly unknown[] | undefined {
  if (typeof schema !== "object" || schema === null) return undefined;
  if ("const" in schema) return [schema.const];
  return "enum" in schema && Array.isArray(schema.enum) ? schema.enum : undefined;
}

function typesOf(schema: SchemaObject): readonly unknown[] | undefined {
  const type = schema["type"];
  if (type !== undefined) return Array.isArray(type) ? type : [type];
  return valuesOf(schema)?.map((value) => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value));
}

function overlap(a: unknown, b: unknown): boolean {
  const isNumeric = (type: unknown) => type === "number" || type === "integer";
  return a === b || (isNumeric(a) && isNumeric(b));
}
