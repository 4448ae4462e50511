import { readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LlamaVocab } from "../tensor/ffi/llama.js";
import { testModel } from "../weights/test-models.js";
import { frameText } from "./framed-text.js";
import { type GgufTokenizer, ggufTokenizer } from "./gguf-tokenizer.js";
import { type HfTokenizer, openHfTokenizer } from "./hf-tokenizer.js";
import { nastyTexts, referenceVocab } from "./reference-vocab.case.js";
import { tokenKinds } from "./vocab/vocabulary.js";

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 30 }),
  fc.string({
    unit: fc.constantFrom(..."aeiouthnsrdlg ÀÉéñß'-.,!?$^`~[]#中が한👍\u0301\u0000\u00ad\ufffd\u3000"),
    maxLength: 40,
  }),
);

let folder: string;
let texts: string[];
let tokenizer: HfTokenizer;

beforeAll(async () => {
  folder = await testModel("all-minilm-l6-v2");
  if (!folder.endsWith("all-minilm-l6-v2")) folder = path.dirname(folder);
  texts = readFileSync(path.join(folder, "vocab.txt"), "utf8").split("\n").slice(0, 30522);
  tokenizer = await openHfTokenizer(folder);
});

/** BERT's published algorithm, as plainly as can be. */
function plainWordPiece(text: string): number[] {
  const ids = new Map(texts.map((token, id) => [token, id]));
  const cleaned = Array.from(text)
    .filter((c) => c !== "\ufffd" && (/[\t\n\r]/.test(c) || !/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}]/u.test(c)))
    .map((c) => (/\s/u.test(c) ? " " : c))
    .map((c) => (/[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]/u.test(c) ? ` ${c} ` : c))
    .join("");
  const folded = cleaned
    .normalize("NFD")
    .replace(/\p{Mn}/gu, "")
    .toLowerCase();
  const words = folded.match(/[\p{P}$+<=>^`|~]|[^\s\p{P}$+<=>^`|~]+/gu) ?? [];
  return words.flatMap((word) => {
    const characters = Array.from(word);
    if (characters.length > 100) return [100];
    const out: number[] = [];
    for (let at = 0; at < characters.length; ) {
      let end = characters.length;
      let id: number | undefined;
      for (; end > at; end--) {
        id = ids.get((at > 0 ? "##" : "") + characters.slice(at, end).join(""));
        if (id !== undefined) break;
      }
      if (id === undefined) return [100];
      out.push(id);
      at = end;
    }
    return out;
  });
}

describe("MiniLM's tokenizer.json", () => {
  test("gives the published tokens", () => {
    const plain = (text: string) => Array.from(tokenizer.encode(text));
    expect(plain("Hello world")).toEqual([7592, 2088]);
    expect(Array.from(tokenizer.encode("Hello world", { bos: true }))).toEqual([101, 7592, 2088, 102]);
    expect(Array.from(tokenizer.encode("", { bos: true }))).toEqual([101, 102]);
    expect(plain("unaffable naïve café")).toEqual([14477, 20961, 3468, 15743, 7668]);
    expect(plain("日本")).toEqual([1864, 1876]);
  });

  test("equals plain WordPiece", () => {
    const letters = fc.string({
      unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyzÀÉéñ0123456789 .,!?'-$中\t"),
      maxLength: 60,
    });
    fc.assert(
      fc.property(letters, (text) => {
        expect(Array.from(tokenizer.encode(text))).toEqual(plainWordPiece(text));
      }),
      { numRuns: 300 },
    );
    expect(Array.from(tokenizer.encode(`${"x".repeat(101)} ${"x".repeat(100)}`))).toEqual(
      plainWordPiece(`${"x".repeat(101)} ${"x".repeat(100)}`),
    );
  });

  test("word by word is the same as at once", () => {
    const { encode } = tokenizer;
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 3 }), (parts) => {
        const joined = encode.call(tokenizer, parts.join(" "));
        expect(Array.from(joined)).toEqual(parts.flatMap((part) => Array.from(encode.call(tokenizer, part))));
      }),
    );
  });

  test("reads control tokens in a text only when told so", () => {
    expect(Array.from(tokenizer.encode("a [SEP] b", { special: true }))).toEqual([1037, 102, 1038]);
    expect(Array.from(tokenizer.encode("a [SEP] b"))).toEqual([1037, 1031, 19802, 1033, 1038]);
  });

  test("cuts to a number of tokens and keeps the closing one", () => {
    const { tokens, dropped } = frameText(tokenizer, "one two three four five", 5);
    expect(Array.from(tokens)).toEqual([101, 2028, 2048, 2093, 102]);
    expect(dropped).toBe(2);
    expect(frameText(tokenizer, "one", 5)).toEqual({ tokens: Int32Array.of(101, 2028, 102), dropped: 0 });
    expect(() => frameText(tokenizer, "one", 2)).toThrow(expect.objectContaining({ code: "bad-option" }));
  });

  test("decodes", () => {
    expect(tokenizer.decode(tokenizer.encode("the unaffable cat", { bos: true }))).toBe(
      "the una##ffable cat".replace("##", ""),
    );
    expect(tokenizer.decode([101, 7592, 102], { special: true })).toBe("[CLS] hello [SEP]");
    expect(() => tokenizer.decode([-1])).toThrow(expect.objectContaining({ code: "bad-input" }));
  });
});

describe("the same vocabulary in a GGUF file", () => {
  let gguf: GgufTokenizer;
  let reference: LlamaVocab;

  beforeAll(async () => {
    const special = (text: string) => /^\[(PAD|UNK|CLS|SEP|MASK)\]$/.test(text);
    const marked = texts.map((text) =>
      special(text) ? text : text.startsWith("##") ? text.slice(2) : `\u2581${text}`,
    );
    const metadata = new Map<string, string | readonly string[] | Int32Array | number>([
      ["general.architecture", "bert"],
      ["tokenizer.ggml.model", "bert"],
      ["tokenizer.ggml.tokens", marked],
      [
        "tokenizer.ggml.token_type",
        Int32Array.from(texts, (text) => (special(text) ? tokenKinds.control : tokenKinds.normal)),
      ],
    ]);
    gguf = ggufTokenizer(metadata);
    reference = await referenceVocab(metadata);
  });
  afterAll(() => reference?.close());

  test("gives the reference's tokens", () => {
    const check = (text: string) => {
      for (const options of [{}, { bos: true }, { special: true }]) {
        const expected = Array.from(reference.tokenize(text, options));
        expect(Array.from(gguf.encode(text, options)), JSON.stringify(text)).toEqual(expected);
      }
    };
    for (const text of nastyTexts) check(text);
    fc.assert(fc.property(anyText, check), { numRuns: 300 });
  });

  test("folds every code point as the reference does", () => {
    const wrong: number[] = [];
    for (let from = 0; from < 0x110000; from += 16) {
      if (from >= 0xd800 && from <= 0xdfff) continue;
      const text = Array.from({ length: 16 }, (_, i) => `a${String.fromCodePoint(from + i)}b `).join("");
      if (`${gguf.encode(text)}` !== `${reference.tokenize(text)}`) wrong.push(from);
    }
    expect(wrong).toEqual([]);
  });
});
