import type { z } from "zod";
import { nearest, QuireError } from "./errors.js";

/** What an interchangeable part is. Every part of every kind is made by its kind's own function (`cachePolicy`, `decoder`,
 *  `chunker`, ...), which fixes the kind and the types and calls `defineMethod`. The result is called with options to get a
 *  ready part, `h2o({ budget: 0.2 })`, and carries its head, so that help, validation and docs are printed from it. */

export const methodKinds = [
  "cache",
  "engine",
  "decoder",
  "architecture",
  "trainer",
  "chunker",
  "selector",
  "program",
  "structure",
] as const;

export type MethodKind = (typeof methodKinds)[number];

export interface MethodHead<Kind extends MethodKind = MethodKind, Options extends z.ZodObject = z.ZodObject> {
  readonly kind: Kind;
  /** The one key: file, export, option string, page, bench and result all bear this name. */
  readonly name: string;
  /** One line: what it decides. */
  readonly title: string;
  /** Only methods that come from a paper have one. */
  readonly arxiv?: string;
  readonly options: Options;
}

/** Part of a head that a method file writes; the kind's own function adds the kind. */
export type MethodDefinition<Options extends z.ZodObject> = Omit<MethodHead<MethodKind, Options>, "kind">;

/** A ready part: which method, with which options. `label` is the string form, which reads back as the same part. */
export interface Part<Kind extends MethodKind = MethodKind> {
  readonly kind: Kind;
  readonly name: string;
  readonly label: string;
}

export interface MethodFactory<Kind extends MethodKind, Options extends z.ZodObject, Made extends Part<Kind>>
  extends MethodHead<Kind, Options> {
  (options?: z.input<Options>): Made;
}

export function defineMethod<Kind extends MethodKind, Options extends z.ZodObject, Made extends Part<Kind>>(
  head: MethodHead<Kind, Options>,
  make: (options: z.output<Options>, part: Part<Kind>) => Made,
): MethodFactory<Kind, Options, Made> {
  const factory = (options?: z.input<Options>): Made => {
    const parsed = parseOptions(head, options ?? {});
    return make(parsed, { kind: head.kind, name: head.name, label: label(head.name, options ?? {}) });
  };
  // A function's own `name` is read-only under assignment, so the head is laid over it by definition.
  for (const [key, value] of Object.entries(head)) {
    Object.defineProperty(factory, key, { value, enumerable: true, configurable: true });
  }
  return factory as unknown as MethodFactory<Kind, Options, Made>;
}

function parseOptions<Options extends z.ZodObject>(
  head: MethodHead<MethodKind, Options>,
  given: object,
): z.output<Options> {
  const known = Object.keys(head.options.shape);
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) {
      throw new QuireError("bad-option", `${head.name} has no option "${key}".`, {
        got: key,
        expected: known.length > 0 ? known.join(", ") : "no options",
        fix: suggestion(nearest(key, known)),
      });
    }
  }
  const result = head.options.safeParse(given);
  if (result.success) return result.data as z.output<Options>;
  const issue = result.error.issues[0];
  const path = issue?.path.join(".") ?? "";
  throw new QuireError("bad-option", `${head.name}: option "${path}": ${issue?.message ?? "cannot be used"}.`, {
    got: (given as Record<string, unknown>)[path],
    expected: (head.options.shape[path] as z.ZodType | undefined)?.description,
  });
}

export function suggestion(names: readonly string[]): string | undefined {
  return names.length > 0 ? `Did you mean ${names.join(" or ")}?` : undefined;
}

export type OptionValue = string | number | boolean;

/** "h2o:budget=0.2,heavy=0.5" to its name and options. Values that look like numbers or booleans become them. */
export function parseMethodString(text: string): { name: string; options: Record<string, OptionValue> } {
  const colon = text.indexOf(":");
  const name = (colon < 0 ? text : text.slice(0, colon)).trim();
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) {
    throw new QuireError("bad-option", `"${text}" does not start with a method's name.`, {
      got: text,
      expected: "name or name:option=value,option=value",
    });
  }
  const options: Record<string, OptionValue> = {};
  if (colon >= 0) {
    for (const pair of text.slice(colon + 1).split(",")) {
      const equals = pair.indexOf("=");
      if (equals <= 0) {
        throw new QuireError("bad-option", `"${pair}" in "${text}" is not option=value.`, {
          got: pair,
          expected: "option=value",
        });
      }
      options[pair.slice(0, equals).trim()] = parseValue(pair.slice(equals + 1).trim());
    }
  }
  return { name, options };
}

function parseValue(text: string): OptionValue {
  if (text === "true") return true;
  if (text === "false") return false;
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

function label(name: string, options: object): string {
  const pairs = Object.entries(options).filter(([, value]) => typeof value !== "object" && typeof value !== "function");
  return pairs.length === 0 ? name : `${name}:${pairs.map(([key, value]) => `${key}=${String(value)}`).join(",")}`;
}
