/** Bytes of a text file to a string, with the encoding found: a byte order mark decides, then UTF-16 by its zero bytes, then valid
 *  UTF-8. Text that is mostly valid UTF-8 keeps what is valid and gets U+FFFD for the rest; anything else is read as Latin-1
 *  (its Windows-1252 form, as browsers do). A byte order mark is dropped, line ends are kept. */

import { QuireError } from "../../errors.js";

export interface DecodedText {
  readonly text: string;
  readonly encoding: string;
  /** What a document's meta says about it. */
  readonly meta: Readonly<Record<string, string | number | boolean>>;
}

export function decodeText(bytes: Uint8Array, declared?: string): DecodedText {
  const marked = byteOrderMark(bytes);
  if (marked !== undefined) return decoded(bytes.subarray(marked.length), marked.encoding, { byteOrderMark: true });
  const wide = utf16WithoutMark(bytes);
  if (wide !== undefined) return decoded(bytes, wide);
  refuseBinary(bytes);
  const strict = tryDecode(bytes, "utf-8");
  if (strict !== undefined) return { text: strict, encoding: "utf-8", meta: { encoding: "utf-8" } };
  if (declared !== undefined && !/^utf-?8$/i.test(declared)) {
    const text = tryDecode(bytes, declared);
    if (text !== undefined)
      return { text, encoding: declared.toLowerCase(), meta: { encoding: declared.toLowerCase() } };
  }
  const { valid, invalid } = countSequences(bytes);
  return valid > invalid ? decoded(bytes, "utf-8", { replacedBytes: invalid }) : decoded(bytes, "latin1");
}

function decoded(bytes: Uint8Array, encoding: string, more: DecodedText["meta"] = {}): DecodedText {
  const text = new TextDecoder(encoding, { ignoreBOM: true }).decode(bytes);
  return { text, encoding, meta: { encoding, ...more } };
}

function tryDecode(bytes: Uint8Array, encoding: string): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function byteOrderMark(bytes: Uint8Array): { encoding: string; length: number } | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return { encoding: "utf-8", length: 3 };
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { encoding: "utf-16le", length: 2 };
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return { encoding: "utf-16be", length: 2 };
  return undefined;
}

const sample = 8192;

/** Mostly Latin text in UTF-16 has a zero in nearly every second byte, always on the same side. */
function utf16WithoutMark(bytes: Uint8Array): string | undefined {
  const length = Math.min(bytes.length, sample) & ~1;
  if (length < 8 || bytes.length % 2 !== 0) return undefined;
  let even = 0;
  let odd = 0;
  for (let i = 0; i < length; i += 2) {
    if (bytes[i] === 0) even++;
    if (bytes[i + 1] === 0) odd++;
  }
  const pairs = length / 2;
  if (odd > 0.6 * pairs && even === 0) return "utf-16le";
  if (even > 0.6 * pairs && odd === 0) return "utf-16be";
  return undefined;
}

/** Text holds no zero bytes and hardly any other control bytes. */
function refuseBinary(bytes: Uint8Array): void {
  const length = Math.min(bytes.length, sample);
  let control = 0;
  for (let i = 0; i < length; i++) {
    const byte = bytes[i]!;
    if (byte === 0) throw binary();
    if (byte < 32 && !(byte >= 7 && byte <= 13) && byte !== 27) control++;
  }
  if (control > 0.1 * length) throw binary();
}

function binary(): QuireError {
  return new QuireError("unsupported", "The file holds binary data, not text.", {
    expected: "text, or a PDF, DOCX or notebook",
  });
}

export function isBinaryRefusal(error: QuireError): boolean {
  return error.code === "unsupported" && error.message.includes("binary data");
}

/** Multi-byte UTF-8 sequences that are whole, and bytes that belong to none. */
function countSequences(bytes: Uint8Array): { valid: number; invalid: number } {
  let valid = 0;
  let invalid = 0;
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at]!;
    if (byte < 0x80) {
      at++;
      continue;
    }
    const length =
      byte >= 0xc2 && byte < 0xe0 ? 2 : byte >= 0xe0 && byte < 0xf0 ? 3 : byte >= 0xf0 && byte < 0xf5 ? 4 : 0;
    let whole = length > 0;
    for (let i = 1; i < length; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) whole = false;
    if (whole) valid++;
    else invalid++;
    at += whole ? length : 1;
  }
  return { valid, invalid };
}
