import { QuireError } from "../errors.js";
import type { MetadataValue } from "./weight-file.js";
import { openWeightSource } from "./weight-source.js";

/** JSON of a model's folder, and its flattening into metadata: {"rope": {"theta": 1e4}} to "rope.theta". Lists of one kind of
 *  thing stay lists; other lists are numbered; null is left out. */

const mostBytes = 16 * 2 ** 20;
const deepest = 32;

export async function readFlatJson(path: string): Promise<Map<string, MetadataValue>> {
  const metadata = new Map<string, MetadataValue>();
  flatten(await readJsonObject(path), { path, prefix: "", depth: 0, metadata });
  return metadata;
}

export async function readJsonObject(path: string): Promise<Record<string, unknown>> {
  const source = await openWeightSource(path);
  try {
    if (source.size > mostBytes) {
      throw new QuireError("bad-file", `${path} is too large.`, {
        got: source.size,
        expected: `at most ${mostBytes} bytes`,
      });
    }
    const bytes = Buffer.alloc(source.size);
    await source.read(0, bytes);
    return parseObject(bytes.toString("utf8"), path);
  } finally {
    await source.close();
  }
}

export function parseObject(text: string, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new QuireError("bad-file", `${path} is not valid JSON.`, { got: text.slice(0, 40), cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new QuireError("bad-file", `${path} does not hold a JSON object.`, { got: text.slice(0, 40) });
}

interface Place {
  readonly path: string;
  readonly prefix: string;
  readonly depth: number;
  readonly metadata: Map<string, MetadataValue>;
}

function flatten(value: unknown, place: Place): void {
  const { path, prefix, depth, metadata } = place;
  if (value === null || value === undefined) return;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    metadata.set(prefix, value);
    return;
  }
  const list = Array.isArray(value) ? evenList(value) : undefined;
  if (list) {
    metadata.set(prefix, list);
    return;
  }
  if (depth >= deepest)
    throw new QuireError("bad-file", `${path} is nested too deeply.`, { expected: `at most ${deepest}` });
  for (const [key, item] of Object.entries(value)) {
    flatten(item, { path, metadata, depth: depth + 1, prefix: prefix === "" ? key : `${prefix}.${key}` });
  }
}

function evenList(items: readonly unknown[]): MetadataValue | undefined {
  if (items.every((item) => typeof item === "string")) return items;
  if (items.every((item) => typeof item === "boolean")) return items;
  if (!items.every((item) => typeof item === "number")) return undefined;
  return items.every((item) => Number.isInteger(item) && Math.abs(item) < 2 ** 31)
    ? Int32Array.from(items)
    : Float64Array.from(items);
}
