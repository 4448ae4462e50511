/** A rendered chat, in parts: what the template wrote, in which control tokens are read as such, and texts inside messages that
 *  merely look like control tokens. A user who types <|im_end|> must not end his turn that way.
 *  While the template runs, such texts carry a mark inside that no message has; afterwards the marks show where they are. */

import { QuireError } from "../errors.js";
import type { Tokenizer } from "./tokenizer.js";

export interface ChatPrompt {
  /** The whole text, for people to read. */
  readonly text: string;
  readonly parts: readonly { readonly text: string; readonly special: boolean }[];
}

/** Encodes a prompt; `bos` as for `encode`. */
export function encodePrompt(tokenizer: Tokenizer, prompt: ChatPrompt, options: { bos?: boolean } = {}): Int32Array {
  const encoded = prompt.parts.map(({ text, special }, i) =>
    tokenizer.encode(text, { special, bos: options.bos === true && i === 0 }),
  );
  if (encoded.length === 0) return tokenizer.encode("", { bos: options.bos });
  const tokens = new Int32Array(encoded.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of encoded) {
    tokens.set(part, at);
    at += part.length;
  }
  return tokens;
}

export interface Marks {
  readonly mark: string;
  readonly controlTexts: readonly string[];
  /** A copy in which every text that looks like a control token is marked. */
  protect<Value>(value: Value): Value;
}

export function unusedMarks(values: readonly unknown[], controlTexts: readonly string[]): Marks {
  const candidates = Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i));
  const written = JSON.stringify(values) ?? "";
  const mark = candidates.find((candidate) => !written.includes(candidate));
  if (mark === undefined) {
    throw new QuireError("bad-input", "The messages hold all noncharacters from U+FDD0 to U+FDEF.", {
      expected: "text",
    });
  }
  const controls = controlTexts.filter((text) => text.length > 1);
  const escaped = controls.map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  // Longest first, as the tokenizer reads them.
  const pattern =
    escaped.length === 0 ? undefined : new RegExp(escaped.sort((a, b) => b.length - a.length).join("|"), "g");

  const protect = (value: unknown): unknown => {
    if (typeof value === "string") {
      if (pattern === undefined) return value;
      return value.replace(pattern, (text) => `${mark}${text[0]}${mark}${text.slice(1)}${mark}`);
    }
    if (Array.isArray(value)) return value.map(protect);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [protect(key), protect(inner)]));
  };
  return { mark, controlTexts: controls, protect: protect as Marks["protect"] };
}

/** A marked text is written mark, first character, mark, rest, mark; a template that cuts texts may leave single marks. */
export function promptParts(rendered: string, { mark }: Marks): ChatPrompt {
  const parts: { text: string; special: boolean }[] = [];
  const add = (text: string, special: boolean) => {
    if (text === "") return;
    const last = parts.at(-1);
    if (last !== undefined && last.special === special) last.text += text;
    else parts.push({ text, special });
  };
  const pieces = rendered.split(mark);
  // Between two control-like texts all pieces are apart by marks, so whole triples can be told from template text.
  for (let i = 0; i < pieces.length; ) {
    add(pieces[i]!, true);
    i++;
    if (i + 1 < pieces.length) {
      add(pieces[i]! + pieces[i + 1]!, false);
      i += 2;
    }
  }
  return { text: rendered.replaceAll(mark, ""), parts };
}
