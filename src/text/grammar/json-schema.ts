/** JSON schemas as grammars: every text of the grammar is JSON that the schema accepts. Not every accepted text is in the grammar:
 *  properties come in the order of the schema, objects that list properties have no others unless `additionalProperties` says
 *  so, numbers have at most 15 digits, and the items of `prefixItems` are all there. A keyword that cannot be kept is an error. */

import { QuireError } from "../../errors.js";
import { choice, type Expression, type Grammar, repeat, rule, sequence, text } from "./expression.js";
import {
  anyArray,
  anyInteger,
  anyNumber,
  anyObject,
  anyString,
  anyValue,
  braced,
  comma,
  commaList,
  jsonRules,
  member,
} from "./json-text.js";
import { oneAtMost } from "./schema-choices.js";
import { NothingFits, unsupported, wrongSchema } from "./schema-error.js";
import { otherKey } from "./schema-keys.js";
import { annotations, mergeSchemas, type Schema, type SchemaObject } from "./schema-merge.js";
import { boundedNumber } from "./schema-numbers.js";
import { boundedString, count } from "./schema-strings.js";

const deepest = 200;

/** Keywords that are kept, by the types they speak of. */
const kept = {
  any: ["type", "enum", "const", "$ref", "allOf", "anyOf", "oneOf"],
  object: ["properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"],
  array: ["items", "prefixItems", "minItems", "maxItems", "uniqueItems"],
  string: ["minLength", "maxLength", "pattern", "format"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
} as const;

const known: ReadonlySet<string> = new Set(Object.values(kept).flat());
const types = ["object", "array", "string", "number", "integer", "boolean", "null"] as const;
type JsonType = (typeof types)[number];

export function readJsonSchema(schema: unknown): Grammar {
  return new SchemaReader(schema).grammar();
}

class SchemaReader {
  readonly #root: unknown;
  readonly #rules = new Map<string, Expression>(jsonRules);
  readonly #references = new Map<string, string>();
  #depth = 0;

  constructor(root: unknown) {
    this.#root = root;
  }

  grammar(): Grammar {
    // A reference to the whole schema means this rule.
    const start = this.#reference("#", "#");
    return { start: (start as { name: string }).name, rules: this.#rules };
  }

  readonly #define = (expression: Expression): Expression => {
    const name = `part-${this.#rules.size}`;
    this.#rules.set(name, expression);
    return rule(name);
  };

  #compile(given: unknown, path: string): Expression {
    if (++this.#depth > deepest) {
      throw new QuireError("unsupported", "The JSON schema is nested too deeply, or refers to itself in place.", {
        got: path,
        expected: `at most ${deepest} levels`,
      });
    }
    try {
      const schema = checked(given, path);
      return typeof schema === "boolean" ? this.#anything(schema, path) : this.#object(schema, path);
    } finally {
      this.#depth--;
    }
  }

  #anything(allowed: boolean, path: string): Expression {
    if (allowed) return anyValue;
    throw new NothingFits(path, "it is false");
  }

  #object(schema: SchemaObject, path: string): Expression {
    for (const keyword of Object.keys(schema)) {
      if (!known.has(keyword) && !annotations.has(keyword))
        throw unsupported(path, keyword, "no grammar is made for it");
    }
    if (schema["$ref"] !== undefined) {
      const { $ref, ...rest } = schema;
      if (!saysSomething(rest)) return this.#reference($ref, path);
      return this.#compile(mergeSchemas(this.#lookUp($ref, path), rest, path), path);
    }
    if (schema["allOf"] !== undefined) {
      const { allOf, ...rest } = schema;
      let merged: Schema = rest;
      for (const part of schemaList(allOf, "allOf", path))
        merged = mergeSchemas(merged, this.#resolved(part, path), path);
      return this.#compile(merged, path);
    }
    for (const keyword of ["anyOf", "oneOf"] as const) {
      if (schema[keyword] === undefined) continue;
      const { [keyword]: options, ...rest } = schema;
      return this.#choice(schemaList(options, keyword, path), rest, keyword, path);
    }
    if (schema["const"] !== undefined || "const" in schema) return this.#values([schema["const"]], schema, path);
    if (schema["enum"] !== undefined) {
      if (!Array.isArray(schema["enum"])) throw wrongSchema(path, "enum", "a list", schema["enum"]);
      return this.#values(schema["enum"], schema, path);
    }
    return this.#ofTypes(schema, path);
  }

  #choice(options: readonly Schema[], rest: SchemaObject, keyword: "anyOf" | "oneOf", path: string): Expression {
    const whole = options.map((option) => mergeSchemas(rest, this.#resolved(option, path), path));
    if (keyword === "oneOf" && !oneAtMost(whole.map((option) => this.#resolved(option, path)))) {
      throw unsupported(path, "oneOf", "its options cannot be told apart by type or by a constant property; use anyOf");
    }
    const expressions: Expression[] = [];
    let failure: unknown;
    for (const [i, option] of options.entries()) {
      try {
        const asGiven = saysSomething(rest) ? whole[i]! : option;
        expressions.push(this.#compile(asGiven, `${path}/${keyword}/${i}`));
      } catch (error) {
        if (!(error instanceof NothingFits)) throw error;
        failure = error;
      }
    }
    if (expressions.length === 0) throw failure ?? new NothingFits(path, `${keyword} is empty`);
    return choice(...expressions);
  }

  #values(values: readonly unknown[], schema: SchemaObject, path: string): Expression {
    for (const keyword of Object.keys(schema)) {
      if (!annotations.has(keyword) && !["type", "enum", "const"].includes(keyword)) {
        throw unsupported(path, keyword, "it cannot be kept beside enum or const");
      }
    }
    const allowed = typesOf(schema, path);
    const fitting = values.filter((value) => allowed.some((type) => isOfType(value, type)));
    if (fitting.length === 0) throw new NothingFits(path, "no listed value is of the type");
    return choice(...fitting.map((value) => text(written(value, path))));
  }

  #ofTypes(schema: SchemaObject, path: string): Expression {
    const named = typesOf(schema, path);
    // Keywords speak of one type each; where none is named, those spoken of are meant.
    const spoken = types.filter((type) => {
      const keywords: readonly string[] = type in kept ? kept[type as keyof typeof kept] : [];
      return keywords.some((keyword) => schema[keyword] !== undefined);
    });
    if (schema["type"] === undefined && spoken.length === 0) return anyValue;
    return choice(...(schema["type"] === undefined ? spoken : named).map((type) => this.#ofType(type, schema, path)));
  }

  #ofType(type: JsonType, schema: SchemaObject, path: string): Expression {
    switch (type) {
      case "null":
        return text("null");
      case "boolean":
        return choice(text("true"), text("false"));
      case "string":
        return boundedString(schema, path);
      case "number":
      case "integer": {
        const step = schema["multipleOf"];
        if (step !== undefined && !(step === 1 && type === "integer")) {
          throw unsupported(path, "multipleOf", "only integers that are multiples of 1 can be written");
        }
        const isBounded = kept.number.some((keyword) => keyword !== "multipleOf" && schema[keyword] !== undefined);
        if (!isBounded) return type === "integer" ? anyInteger : anyNumber;
        return boundedNumber(schema, type === "integer", path, this.#define);
      }
      case "array":
        return this.#array(schema, path);
      case "object":
        return this.#members(schema, path);
      default:
        return type satisfies never;
    }
  }

  #array(schema: SchemaObject, path: string): Expression {
    if (schema["uniqueItems"] !== undefined && schema["uniqueItems"] !== false) {
      throw unsupported(path, "uniqueItems", "a grammar cannot compare items");
    }
    const { items, prefixItems, minItems, maxItems } = schema;
    if ([items, prefixItems, minItems, maxItems].every((value) => value === undefined)) return anyArray;
    const min = count(minItems ?? 0, "minItems", path);
    const max = maxItems === undefined ? Number.POSITIVE_INFINITY : count(maxItems, "maxItems", path);
    if (min > max) throw new NothingFits(path, "minItems is more than maxItems");
    const first = prefixItems === undefined ? [] : schemaList(prefixItems, "prefixItems", path).slice(0, max);
    const heads = first.map((item, i) => this.#compile(item, `${path}/prefixItems/${i}`));
    const isOpen = items !== false && (first.length === 0 || items !== undefined || min > first.length);
    if (!isOpen || max === first.length) {
      if (min > first.length) throw new NothingFits(path, `${min} items are wanted and only ${first.length} described`);
      return braced("[", sequence(...heads.flatMap((head, i) => (i === 0 ? [head] : [comma, head]))));
    }
    const item = this.#define(this.#compile(items ?? true, `${path}/items`));
    if (heads.length === 0) return braced("[", commaList(item, min, max));
    const rest = repeat(sequence(comma, item), Math.max(0, min - heads.length), max - heads.length);
    return braced("[", sequence(...heads.flatMap((head, i) => (i === 0 ? [head] : [comma, head])), rest));
  }

  #members(schema: SchemaObject, path: string): Expression {
    const { additionalProperties, propertyNames } = schema;
    const properties = new Map(Object.entries(objectOf(schema["properties"] ?? {}, "properties", path)));
    const required = new Set(stringList(schema["required"] ?? [], "required", path));
    let others = additionalProperties ?? properties.size === 0;
    let key: Expression | undefined;

    if (propertyNames !== undefined) {
      const names = this.#resolved(checked(propertyNames, path), path);
      if (typeof names === "object" && Array.isArray(names["enum"]) && properties.size === 0) {
        for (const name of stringList(names["enum"], "propertyNames", path)) properties.set(name, others);
        others = false;
      } else if (typeof names === "object" && saysSomething(names)) {
        const { type, ...rest } = names;
        if (saysSomething(rest) && properties.size + required.size > 0) {
          throw unsupported(path, "propertyNames", "it cannot be kept beside properties");
        }
        key = this.#compile({ ...rest, type: "string" }, `${path}/propertyNames`);
      }
    }
    for (const name of required) if (!properties.has(name)) properties.set(name, additionalProperties ?? true);
    this.#checkCounts(schema, properties.size, required.size, others !== false, path);
    if (properties.size === 0 && others === true && key === undefined) return anyObject;

    const named = [...properties].filter(([name, inner]) => {
      if (inner !== false) return true;
      if (required.has(name)) throw new NothingFits(path, `the property "${name}" is required and forbidden`);
      return false;
    });
    const additional =
      others === false
        ? undefined
        : this.#define(
            member(
              key ?? (properties.size === 0 ? anyString : otherKey([...properties.keys()], this.#define)),
              this.#compile(others, `${path}/additionalProperties`),
            ),
          );

    // What may follow from a property on: as the first member, and behind others.
    let asFirst: Expression = additional === undefined ? sequence() : commaList(additional);
    let behind: Expression = additional === undefined ? sequence() : repeat(sequence(comma, additional), 0);
    for (const [name, inner] of named.reverse()) {
      const own = this.#define(member(text(JSON.stringify(name)), this.#compile(inner, `${path}/properties/${name}`)));
      const nextBehind = this.#define(behind);
      const first = sequence(own, nextBehind);
      const later = sequence(comma, own, nextBehind);
      asFirst = required.has(name) ? first : choice(first, this.#define(asFirst));
      behind = required.has(name) ? later : choice(later, nextBehind);
    }
    return braced("{", asFirst);
  }

  #checkCounts(schema: SchemaObject, named: number, required: number, isOpen: boolean, path: string): void {
    const { minProperties, maxProperties } = schema;
    if (minProperties !== undefined && count(minProperties, "minProperties", path) > required) {
      throw unsupported(path, "minProperties", "only required properties can be counted");
    }
    if (maxProperties !== undefined && (isOpen || count(maxProperties, "maxProperties", path) < named)) {
      throw unsupported(path, "maxProperties", "only named properties can be counted");
    }
  }

  /** A rule for what a reference points to, made once. */
  #reference(reference: unknown, path: string): Expression {
    const target = this.#lookUp(reference, path);
    const pointer = String(reference);
    const known = this.#references.get(pointer);
    if (known !== undefined) return rule(known);
    const name = `reference-${this.#references.size}`;
    this.#references.set(pointer, name);
    const depth = this.#depth;
    this.#depth = 0;
    try {
      this.#rules.set(name, this.#compile(target, pointer));
    } catch (error) {
      this.#references.delete(pointer);
      throw error;
    }
    this.#depth = depth;
    return rule(name);
  }

  #resolved(schema: Schema, path: string): Schema {
    let resolved = schema;
    for (let i = 0; i < deepest; i++) {
      if (typeof resolved === "boolean" || resolved["$ref"] === undefined) return resolved;
      const { $ref, ...rest } = resolved;
      resolved = mergeSchemas(this.#lookUp($ref, path), rest, path);
    }
    throw wrongSchema(path, "$ref", "a reference that ends somewhere", schema);
  }

  #lookUp(reference: unknown, path: string): Schema {
    if (typeof reference !== "string" || !/^#(\/|$)/.test(reference)) {
      throw unsupported(path, "$ref", `only references within the schema (#/$defs/...) can be followed`);
    }
    let at: unknown = this.#root;
    for (const part of reference.split("/").slice(1)) {
      const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
      at =
        typeof at === "object" && at !== null && Object.hasOwn(at, key)
          ? (at as Record<string, unknown>)[key]
          : undefined;
    }
    if (at === undefined) throw wrongSchema(path, "$ref", "a reference to a part of the schema", reference);
    return checked(at, path);
  }
}

function checked(schema: unknown, path: string): Schema {
  if (typeof schema === "boolean") return schema;
  if (typeof schema === "object" && schema !== null && !Array.isArray(schema)) return schema as SchemaObject;
  throw wrongSchema(path, "schema", "an object, true or false", schema);
}

function saysSomething(schema: SchemaObject): boolean {
  return Object.keys(schema).some((keyword) => !annotations.has(keyword));
}

function schemaList(value: unknown, keyword: string, path: string): Schema[] {
  if (!Array.isArray(value)) throw wrongSchema(path, keyword, "a list of schemas", value);
  return value.map((schema) => checked(schema, path));
}

function stringList(value: unknown, keyword: string, path: string): string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  throw wrongSchema(path, keyword, "a list of texts", value);
}

function objectOf(value: unknown, keyword: string, path: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw wrongSchema(path, keyword, "an object", value);
}

function typesOf(schema: SchemaObject, path: string): readonly JsonType[] {
  const given = schema["type"];
  if (given === undefined) return types;
  const list = Array.isArray(given) ? given : [given];
  const wrong = list.find((type) => !types.includes(type));
  if (wrong !== undefined || list.length === 0) throw wrongSchema(path, "type", types.join(", "), given);
  // Every integer is a number: naming both would only be read twice.
  return [...new Set(list as JsonType[])].filter((type) => type !== "integer" || !list.includes("number"));
}

function isOfType(value: unknown, type: JsonType): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}

function written(value: unknown, path: string): string {
  const json = JSON.stringify(value);
  if (json === undefined) throw wrongSchema(path, "enum/const", "values that JSON can write", String(value));
  return json;
}
