/** A plain JSON-schema validator for tests, written after the specification and not after the grammar. */

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
// biome-ignore lint/suspicious/noExplicitAny: a schema is whatever a test writes
type Schema = boolean | { [keyword: string]: any };

export function isValid(schema: Schema, value: Json, root: Schema = schema): boolean {
  if (typeof schema === "boolean") return schema;
  const check = (inner: Schema, part: Json) => isValid(inner, part, root);
  const has = (key: string) => Object.hasOwn(schema, key);
  if (has("$ref")) {
    let at: unknown = root;
    for (const part of schema["$ref"].split("/").slice(1)) at = (at as Record<string, unknown>)[part];
    if (!check(at as Schema, value)) return false;
  }
  if (has("const") && JSON.stringify(value) !== JSON.stringify(schema["const"])) return false;
  if (has("enum") && !schema["enum"].some((option: Json) => JSON.stringify(option) === JSON.stringify(value)))
    return false;
  if (has("type") && ![schema["type"]].flat().some((type: string) => isType(value, type))) return false;
  if (has("allOf") && !schema["allOf"].every((inner: Schema) => check(inner, value))) return false;
  if (has("anyOf") && !schema["anyOf"].some((inner: Schema) => check(inner, value))) return false;
  if (has("oneOf") && schema["oneOf"].filter((inner: Schema) => check(inner, value)).length !== 1) return false;
  if (typeof value === "number") {
    if (has("minimum") && !(value >= schema["minimum"])) return false;
    if (has("maximum") && !(value <= schema["maximum"])) return false;
    if (has("exclusiveMinimum") && !(value > schema["exclusiveMinimum"])) return false;
    if (has("exclusiveMaximum") && !(value < schema["exclusiveMaximum"])) return false;
  }
  if (typeof value === "string") {
    const length = Array.from(value).length;
    if (has("minLength") && length < schema["minLength"]) return false;
    if (has("maxLength") && length > schema["maxLength"]) return false;
    if (has("pattern") && !new RegExp(schema["pattern"], "u").test(value)) return false;
    if (has("format") && !isFormat(value, schema["format"])) return false;
    if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(value)) return false;
  }
  if (Array.isArray(value)) {
    const prefix: Schema[] = schema["prefixItems"] ?? [];
    if (!prefix.every((inner, i) => i >= value.length || check(inner, value[i]!))) return false;
    if (has("items") && !value.slice(prefix.length).every((item) => check(schema["items"], item))) return false;
    if (has("minItems") && value.length < schema["minItems"]) return false;
    if (has("maxItems") && value.length > schema["maxItems"]) return false;
  } else if (typeof value === "object" && value !== null) {
    const properties = schema["properties"] ?? {};
    for (const [key, part] of Object.entries(value)) {
      if (Object.hasOwn(properties, key)) {
        if (!check(properties[key], part)) return false;
      } else if (has("additionalProperties") && !check(schema["additionalProperties"], part)) {
        return false;
      }
      if (has("propertyNames") && !check(schema["propertyNames"], key)) return false;
    }
    if (has("required") && !schema["required"].every((key: string) => Object.hasOwn(value, key))) return false;
  }
  return true;
}

function isType(value: Json, type: string): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  if (type === "integer") return typeof value === "number" && Number.isInteger(value);
  return typeof value === type;
}

function isFormat(text: string, format: string): boolean {
  switch (format) {
    case "date":
      return /^\d{4}-\d\d-\d\d$/.test(text) && new Date(`${text}T00:00:00Z`).toISOString().startsWith(text);
    case "date-time":
      return (
        /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text) && !Number.isNaN(Date.parse(text.replace(/\.\d+/, "")))
      );
    case "time":
      return /^([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?Z$/.test(text);
    case "uuid":
      return /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i.test(text);
    case "ipv4":
      return (
        text.split(".").length === 4 &&
        text.split(".").every((part) => String(Number(part)) === part && Number(part) < 256)
      );
    default:
      throw new Error(`no such format: ${format}`);
  }
}
