import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { byteTokenizer, endToken } from "./byte-tokenizer.case.js";
import { type GrammarSource, grammarFor } from "./grammar.js";
import { isValid } from "./validator.case.js";

const tokenizer = byteTokenizer();

/** Draws tokens at random from what the mask leaves; after `patience` tokens only on the way to an end. */
function draw(source: GrammarSource, choose: (count: number) => number, patience = 60): string {
  const mask = grammarFor(source, tokenizer).create();
  const tokens: number[] = [];
  for (let step = 0; step < 5000; step++) {
    if (step === patience) mask.closing = true;
    const before = mask.bytesToEnd;
    const logits = new Float32Array(tokenizer.vocabSize + 3);
    mask.apply(logits);
    const allowed = Array.from(logits.keys()).filter((token) => logits[token] === 0);
    // Ends early in half of the cases, so that short texts are seen too.
    const token = allowed.includes(endToken) && choose(2) === 0 ? endToken : allowed[choose(allowed.length)]!;
    mask.accept(token);
    if (token === endToken) return tokenizer.decode(tokens);
    if (mask.closing) expect(mask.bytesToEnd).toBeLessThan(before);
    tokens.push(token);
  }
  throw new Error("no end");
}

function seeded(seed: number): (count: number) => number {
  let state = seed >>> 0;
  return (count) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
}

function accepts(source: GrammarSource, text: string): boolean {
  const mask = grammarFor(source, tokenizer).create();
  try {
    for (const byte of new TextEncoder().encode(text)) mask.accept(byte);
    return mask.canEnd;
  } catch {
    return false;
  }
}

const small = fc.integer({ min: -50, max: 1200 });
const key = fc.constantFrom("name", "a", "ab", "abc", "key", "é", 'q"uote', "", "n\n");

const { schema: anySchema } = fc.letrec<{ schema: object; leaf: object }>((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom(
      { type: "string" },
      { type: "null" },
      { type: "boolean" },
      { type: "integer" },
      { type: "number" },
      {},
      { enum: ["a", 1, null, true, { x: [1] }, 'q"\n'] },
      { const: "c" },
      { type: ["string", "null", "integer"], maxLength: 2, minimum: 3 },
      { type: "string", format: "date" },
      { type: "string", format: "date-time" },
      { type: "string", format: "uuid" },
      { type: "string", format: "ipv4" },
      { type: "string", pattern: "^[a-c]{2,4}(-\\d+)?$" },
      { type: "string", pattern: 'x"|^\\\\y\\n' },
    ),
    fc.record({ type: fc.constant("string"), minLength: fc.nat(3), maxLength: fc.integer({ min: 3, max: 6 }) }),
    fc.tuple(small, small).map(([a, b]) => ({ type: "integer", minimum: Math.min(a, b), maximum: Math.max(a, b) })),
    fc.tuple(small, small).map(([a, b]) => ({
      type: "number",
      minimum: Math.min(a, b) / 8,
      exclusiveMaximum: (Math.max(a, b) + 1) / 8,
    })),
    small.map((a) => ({ type: "number", exclusiveMinimum: a / 100 })),
    small.map((a) => ({ type: "integer", exclusiveMaximum: a })),
  ),
  schema: fc.oneof(
    { maxDepth: 3, depthIdentifier: "schema" },
    tie("leaf"),
    fc.record({
      type: fc.constant("array"),
      items: tie("schema"),
      minItems: fc.nat(2),
      maxItems: fc.integer({ min: 2, max: 4 }),
    }),
    fc.record({ type: fc.constant("array"), prefixItems: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
    fc.record({ anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
    fc
      .record({
        properties: fc.dictionary(key, tie("schema"), { maxKeys: 4 }),
        chosen: fc.array(key, { maxLength: 3 }),
        additional: fc.option(fc.oneof(fc.boolean(), tie("schema")), { nil: undefined }),
      })
      .map(({ properties, chosen, additional }) => ({
        type: "object",
        properties,
        required: [...new Set(chosen)].filter((name) => name in properties || additional !== false),
        ...(additional === undefined ? {} : { additionalProperties: additional }),
      })),
  ),
}));

describe("random schemas, random tokens", () => {
  test("give JSON that the schema accepts, and always come to an end", () => {
    fc.assert(
      fc.property(anySchema, fc.integer({ min: 1 }), (schema, seed) => {
        const choose = seeded(seed);
        for (let i = 0; i < 3; i++) {
          const text = draw({ schema }, choose);
          expect(isValid(schema as Record<string, unknown>, JSON.parse(text)), text).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("number bounds", () => {
  const bound = fc.oneof(
    fc.integer({ min: -1100, max: 1100 }),
    fc.integer({ min: -9999, max: 9999 }).map((n) => n / 100),
  );

  test("accept exactly the numbers between them", () => {
    fc.assert(
      fc.property(bound, bound, bound, fc.boolean(), fc.boolean(), (a, b, value, withMin, exclusive) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        const schema = {
          type: "number",
          ...(withMin ? { [exclusive ? "exclusiveMinimum" : "minimum"]: low } : {}),
          [exclusive ? "maximum" : "exclusiveMaximum"]: high,
        };
        for (const candidate of [value, low, high, 0]) {
          const source = { schema };
          let got: boolean;
          try {
            got = accepts(source, JSON.stringify(candidate));
          } catch {
            got = false; // no number lies between
          }
          expect(got, `${candidate} in ${JSON.stringify(schema)}`).toBe(isValid(schema, candidate));
        }
      }),
      { numRuns: 400 },
    );
  });

  test("accept exactly the integers between them", () => {
    const integers = fc.integer({ min: -320, max: 320 });
    fc.assert(
      fc.property(integers, integers, (a, b) => {
        const schema = { type: "integer", minimum: Math.min(a, b), maximum: Math.max(a, b) };
        const got = Array.from({ length: 700 }, (_, i) => i - 350).filter((value) =>
          accepts({ schema }, String(value)),
        );
        expect(got).toEqual(Array.from({ length: schema.maximum - schema.minimum + 1 }, (_, i) => schema.minimum + i));
        for (const text of ["-0", "1.5", "1e0", "01", "+1"]) expect(accepts({ schema }, text)).toBe(false);
      }),
      { numRuns: 4 },
    );
  });
});

describe("JSON schemas", () => {
  const person = {
    type: "object",
    properties: {
      name: { type: "string" },
      age: { type: "integer", minimum: 0 },
      tags: { type: "array", items: { type: "string" } },
    },
    required: ["name"],
  };
  test.each<[unknown, string, boolean]>([
    [person, '{"name": "x", "age": 3}', true],
    [person, '{"name":"x","tags":["a","b"]}', true],
    [person, '{\n  "name": "x",\n  "tags": []\n}', true],
    [person, '{"age": 3}', false],
    [person, '{"name": "x", "age": -3}', false],
    [person, '{"name": "x", "other": 1}', false],
    [true, '[1, {"a": null}, "\\u00e9\\n"]', true],
    [true, '"\\ud800"', false],
    [true, '"tab\t"', false],
    [{ properties: { a: true }, additionalProperties: { type: "null" } }, '{"b": null, "ab": null}', true],
    [{ properties: { a: true }, additionalProperties: { type: "null" } }, '{"b": 1}', false],
    [{ properties: { a: { type: "null" } }, additionalProperties: true }, '{"b": null, "a": 1}', false],
    [{ properties: { a: false }, additionalProperties: true }, '{"a": 1}', false],
    [
      { allOf: [person, { required: ["age"], properties: { name: { maxLength: 2 } } }] },
      '{"name": "xy", "age": 1}',
      true,
    ],
    [
      { allOf: [person, { required: ["age"], properties: { name: { maxLength: 2 } } }] },
      '{"name": "xyz", "age": 1}',
      false,
    ],
    [{ allOf: [person, { required: ["age"] }] }, '{"name": "xy"}', false],
    [{ type: "string", pattern: "b+" }, '"abc"', true],
    [{ type: "string", pattern: "^b+$" }, '"abc"', false],
    [{ type: "string", pattern: "^.{2}$" }, '"\\"\\\\"', true],
    [{ type: "string", pattern: "^[^a-z]$" }, '"中"', true],
    [{ type: "string", maxLength: 1 }, '"👍"', true],
    [{ type: "string", maxLength: 1 }, '"ab"', false],
    [{ oneOf: [{ type: "string" }, { type: "object", properties: { a: {} } }] }, '"x"', true],
  ])("%j: %s is %s", (schema, text, expected) => {
    expect(accepts({ schema }, text)).toBe(expected);
  });

  test("recursion through references", () => {
    const tree = {
      type: "object",
      properties: {
        value: { type: "integer" },
        children: { type: "array", items: { $ref: "#" } },
        next: { $ref: "#/$defs/link" },
      },
      required: ["value"],
      $defs: { link: { anyOf: [{ type: "null" }, { $ref: "#" }] } },
    };
    expect(accepts({ schema: tree }, '{"value": 1, "children": [{"value": 2}, {"value": 3, "next": null}]}')).toBe(
      true,
    );
    expect(accepts({ schema: tree }, '{"value": 1, "children": [{"children": []}]}')).toBe(false);
    for (let seed = 1; seed < 40; seed++) {
      expect(isValid(tree, JSON.parse(draw({ schema: tree }, seeded(seed))))).toBe(true);
    }
  });

  test("zod", () => {
    const schema = z.object({
      kind: z.enum(["a", "b"]),
      at: z.iso.date(),
      id: z.uuid(),
      size: z.number().min(0).max(1),
      count: z.int().positive().optional(),
      pair: z.tuple([z.string().max(3), z.boolean()]),
      by: z.record(z.string(), z.number()),
      either: z.discriminatedUnion("t", [
        z.object({ t: z.literal("x"), x: z.string() }),
        z.object({ t: z.literal("y") }),
      ]),
      note: z.string().nullable(),
    });
    for (let seed = 1; seed < 20; seed++) {
      expect(() => schema.parse(JSON.parse(draw({ schema }, seeded(seed), 200)))).not.toThrow();
    }
    expect(() => draw({ schema: z.map(z.string(), z.number()) }, seeded(1))).toThrow(
      expect.objectContaining({ code: "unsupported" }),
    );
  });

  test.each<[unknown, string, string]>([
    [{ not: {} }, "unsupported", "not"],
    [{ type: "array", uniqueItems: true }, "unsupported", "uniqueItems"],
    [{ type: "object", patternProperties: {} }, "unsupported", "patternProperties"],
    [{ type: "integer", multipleOf: 3 }, "unsupported", "multipleOf"],
    [{ type: "string", pattern: "(?=a)b" }, "unsupported", "pattern"],
    [{ type: "string", pattern: "a", maxLength: 3 }, "unsupported", "minLength/maxLength"],
    [{ type: "string", format: "hostname" }, "unsupported", "format"],
    [{ oneOf: [{ type: "integer" }, { type: "number" }] }, "unsupported", "oneOf"],
    [{ $ref: "https://example.com/x" }, "unsupported", "$ref"],
    [{ $ref: "#/$defs/none" }, "bad-option", "$ref"],
    [{ type: "strin" }, "bad-option", "type"],
    [{ type: "string", pattern: "(" }, "bad-option", "pattern"],
    [{ type: "string", minLength: -1 }, "bad-option", "minLength"],
    [{ type: "integer", minimum: 5, maximum: 4 }, "bad-option", "between"],
    [{ properties: [] }, "bad-option", "properties"],
    [false, "bad-option", "false"],
    [7, "bad-option", "schema"],
    [null, "bad-option", "schema"],
    [{ $ref: "#" }, "bad-option", "begins with itself"],
    [{ anyOf: [{ $ref: "#" }, { type: "string" }] }, "bad-option", "begins with itself"],
    [{ type: "object", properties: { a: { $ref: "#" } }, required: ["a"] }, "bad-option", "without end"],
    [{ type: "string", maxLength: 1e9 }, "unsupported", "maxLength"],
  ])("%j is refused: %s, naming %s", (schema, code, word) => {
    const read = () => grammarFor({ schema }, tokenizer);
    expect(read).toThrow(expect.objectContaining({ code }));
    expect(read).toThrow(word);
  });
});

describe("GBNF", () => {
  const arithmetic = `
    # sums
    root  ::= sum "\\n"?
    sum   ::= term ([-+] term)*
    term  ::= number | "(" sum ")"   # nested
    number ::= [0-9]{1,3} ("." [^\\x00-\\x2F:-\\U0010ffff]+)?`;

  test("is read", () => {
    expect(accepts({ gbnf: arithmetic }, "1+(2-3.25)\n")).toBe(true);
    for (const wrong of ["1+", "1234", "(1", "1.", "1.a", ""]) expect(accepts({ gbnf: arithmetic }, wrong)).toBe(false);
    expect(accepts({ gbnf: 'root ::= "a" root | "b"' }, `${"a".repeat(20_000)}b`)).toBe(true);
    expect(accepts({ gbnf: "root ::= . [é-ü] [^a]" }, "👍ñ中")).toBe(true);
    expect(accepts({ gbnf: 'root ::= ("a"? "b"*)* "c"' }, "abbac")).toBe(true);
  });

  test("random texts fit", () => {
    for (let seed = 1; seed < 30; seed++) {
      expect(accepts({ gbnf: arithmetic }, draw({ gbnf: arithmetic }, seeded(seed)))).toBe(true);
    }
  });

  test.each([
    ["", "root"],
    ["root ::= ", ""],
    ['root ::= "a', "closing"],
    ["root ::= [a", "closing"],
    ["root ::= (a", ")"],
    ["root ::= other", "other"],
    ["root := a", "::="],
    ['root ::= root "a" | "b"', "begins with itself"],
    ['root ::= "a" root', "without end"],
    ["root ::= [z-a]", "order"],
    ['root ::= "\\q"', "expected"],
    ['root ::= "a"{3,2}', "order"],
    [`root ::= ${"(".repeat(500)}`, "deep"],
  ])("%j", (gbnf, word) => {
    if (word === "") {
      expect(accepts({ gbnf }, "")).toBe(true);
      return;
    }
    expect(() => grammarFor({ gbnf }, tokenizer)).toThrow(expect.objectContaining({ code: "bad-option" }));
    expect(() => grammarFor({ gbnf }, tokenizer)).toThrow(word);
  });
});

describe("a mask", () => {
  test("allows just the tokens whose bytes fit, as trying each one shows", () => {
    const masks = grammarFor(
      { schema: { type: "object", properties: { key: { type: "string", maxLength: 4 } } } },
      tokenizer,
    );
    const mask = masks.create();
    for (const byte of new TextEncoder().encode('{"key": "ab')) {
      const logits = new Float32Array(tokenizer.vocabSize + 5);
      mask.apply(logits);
      for (let token = 0; token < tokenizer.vocabSize; token++) {
        let fits = true;
        try {
          mask.clone().accept(token);
        } catch {
          fits = false;
        }
        expect(logits[token] === 0, `token ${token}`).toBe(fits);
      }
      expect(logits.subarray(tokenizer.vocabSize).every((logit) => logit === Number.NEGATIVE_INFINITY)).toBe(true);
      mask.accept(byte);
    }
  });

  test("stays as it was when a token is refused, and clones go their own way", () => {
    const mask = grammarFor({ gbnf: 'root ::= "ab" | "ac"' }, tokenizer).create();
    mask.accept(97);
    expect(() => mask.accept(97)).toThrow(expect.objectContaining({ code: "bad-input" }));
    expect(() => mask.accept(endToken)).toThrow(expect.objectContaining({ code: "bad-input" }));
    expect(() => mask.accept(256)).toThrow(expect.objectContaining({ code: "bad-input" }));
    const other = mask.clone();
    mask.accept(98);
    other.accept(99);
    expect([mask.isFinished, other.isFinished]).toEqual([true, true]);
    mask.accept(endToken);
    mask.accept(endToken);
    expect(() => mask.accept(98)).toThrow(expect.objectContaining({ code: "bad-input" }));
  });

  test("says so when no token fits, and when logits are missing", () => {
    const few = { ...tokenizer, vocabSize: 98, endTokens: new Set<number>() };
    const mask = grammarFor({ gbnf: 'root ::= "z"' }, few).create();
    expect(() => mask.apply(new Float32Array(98))).toThrow(expect.objectContaining({ code: "unsupported" }));
    expect(() => mask.apply(new Float32Array(97))).toThrow(expect.objectContaining({ code: "bad-shape" }));
  });
});
