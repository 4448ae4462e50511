import { QuireError } from "../errors.js";
import type { MetadataValue, WeightFile } from "../weights/weight-file.js";

/** Reads fields of a model file's metadata with their types, and says which file and field is wrong where one is. GGUF prefixes
 *  its fields with the architecture ("llama.block_count"); config.json does not ("num_hidden_layers"). */
export interface MetadataReader {
  /** A whole number within bounds. `names` are tried in order. */
  integer(names: readonly string[], bounds?: { min?: number; max?: number; default?: number }): number;
  number(names: readonly string[], fallback?: number): number;
  text(names: readonly string[], fallback?: string): string | undefined;
  has(name: string): boolean;
}

export function metadataReader(file: WeightFile, prefix: string): MetadataReader {
  const find = (names: readonly string[]): { name: string; value: MetadataValue } | undefined => {
    for (const name of names) {
      for (const key of [`${prefix}.${name}`, name]) {
        const value = file.metadata.get(key);
        if (value !== undefined && value !== null) return { name: key, value };
      }
    }
    return undefined;
  };
  const wrong = (name: string, got: unknown, expected: string): never => {
    throw new QuireError("bad-file", `${file.path}: the field ${name} cannot be used.`, { got, expected });
  };
  const numeric = (names: readonly string[], fallback: number | undefined): { name: string; value: number } => {
    const found = find(names);
    if (found === undefined) {
      if (fallback !== undefined) return { name: names[0] ?? "", value: fallback };
      return wrong(`${prefix}.${names[0]}`, undefined, "a number");
    }
    const { name, value } = found;
    // Some files give one number a layer; they are understood where all are equal.
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
      const values = Array.from(value as unknown as ArrayLike<number | bigint>, Number);
      if (values.length > 0 && values.every((other) => other === values[0]))
        return { name, value: values[0] ?? Number.NaN };
      return wrong(name, values.slice(0, 8), "the same number for every layer");
    }
    const number = typeof value === "bigint" ? Number(value) : value;
    return typeof number === "number" && Number.isFinite(number)
      ? { name, value: number }
      : wrong(name, value, "a number");
  };
  return {
    integer: (names, { min = 1, max = 2 ** 31 - 1, default: fallback } = {}) => {
      const { name, value } = numeric(names, fallback);
      return Number.isInteger(value) && value >= min && value <= max
        ? value
        : wrong(name, value, `a whole number from ${min} to ${max}`);
    },
    number: (names, fallback) => numeric(names, fallback).value,
    text: (names, fallback) => {
      const found = find(names);
      if (found === undefined) return fallback;
      return typeof found.value === "string" ? found.value : wrong(found.name, found.value, "text");
    },
    has: (name) => find([name]) !== undefined,
  };
}
