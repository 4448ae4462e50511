/** GPT-2's way of writing bytes as characters: printable bytes stand for themselves, the other 68 are moved to U+0100 and up, so
 *  that every token of a byte-level vocabulary is readable text without spaces. */

function makeTables(): { characters: string[]; bytes: Int16Array } {
  const characters = new Array<string>(256);
  const bytes = new Int16Array(0x144).fill(-1);
  let moved = 0;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    const code = printable ? byte : 0x100 + moved++;
    characters[byte] = String.fromCharCode(code);
    bytes[code] = byte;
  }
  return { characters, bytes };
}

const { characters, bytes } = makeTables();

/** The character that stands for each of the 256 bytes. */
export const characterOfByte: readonly string[] = characters;

/** The byte that a UTF-16 code unit stands for, or -1. */
export function byteOfCharacter(codeUnit: number): number {
  return codeUnit < bytes.length ? bytes[codeUnit]! : -1;
}
