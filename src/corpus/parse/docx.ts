/** DOCX: by mammoth to HTML, then as HTML. Lines of the HTML mean nothing to a reader, so none are kept. */

import mammoth from "mammoth";
import { QuireError } from "../../errors.js";
import { parseHtml } from "./html.js";
import type { ParsedText } from "./parsed.js";

/** What the archive may unpack to: a small file can hold gigabytes of zeros. */
const maxUnpackedBytes = 256 * 1024 * 1024;

export async function parseDocx(bytes: Uint8Array): Promise<ParsedText> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length > 8 && buffer.readUInt32BE(0) === 0xd0cf11e0) {
    throw new QuireError("bad-file", "The document is encrypted or in the old .doc format.", {
      expected: "a DOCX file without a password",
      fix: "Save it as DOCX without a password.",
    });
  }
  const unpacked = unpackedSize(buffer);
  if (unpacked === undefined) throw damaged("it is no ZIP archive");
  if (unpacked > maxUnpackedBytes) {
    throw new QuireError("bad-file", `The document would unpack to ${unpacked} bytes.`, {
      got: unpacked,
      expected: `at most ${maxUnpackedBytes}`,
    });
  }
  let html: string;
  try {
    // Pictures are left out: as data in the text they would only be noise.
    const convertImage = mammoth.images.imgElement(() => Promise.resolve({ src: "" }));
    html = (await mammoth.convertToHtml({ buffer }, { convertImage })).value;
  } catch (cause) {
    throw damaged((cause as Error).message, cause);
  }
  const { text, sections, meta } = parseHtml(html, { withLines: false });
  return { text, sections, meta };
}

function damaged(why: string, cause?: unknown): QuireError {
  return new QuireError("bad-file", `The DOCX file is damaged: ${why}.`, { expected: "an undamaged DOCX file", cause });
}

/** Sum of the sizes in the archive's directory; undefined where there is none. */
function unpackedSize(zip: Buffer): number | undefined {
  const endRecord = zip.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  if (endRecord < 0 || endRecord + 22 > zip.length) return undefined;
  let at = zip.readUInt32LE(endRecord + 16);
  let total = 0;
  for (let entry = zip.readUInt16LE(endRecord + 10); entry > 0; entry--) {
    if (at + 46 > zip.length || zip.readUInt32LE(at) !== 0x02014b50) return undefined;
    total += zip.readUInt32LE(at + 24);
    at += 46 + zip.readUInt16LE(at + 28) + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return total;
}
