/** The bytes of every token, packed one after another; made at first use. */

import { byteOfCharacter } from "./byte-characters.js";
import { spaceMark } from "./sentence-piece.js";
import { tokenKinds, type Vocabulary } from "./vocabulary.js";

export class TokenBytes {
  readonly #bytes: Uint8Array;
  /** Where each token begins; one more entry for the end. */
  readonly #starts: Uint32Array;

  constructor(vocabulary: Vocabulary) {
    const { texts } = vocabulary;
    let most = 0;
    for (const text of texts) most += text.length * 3;
    const bytes = Buffer.allocUnsafe(most);
    const starts = new Uint32Array(texts.length + 1);
    let at = 0;
    for (let token = 0; token < texts.length; token++) {
      starts[token] = at;
      at += writeToken(vocabulary, token, bytes, at);
    }
    starts[texts.length] = at;
    this.#bytes = Uint8Array.prototype.slice.call(bytes, 0, at);
    this.#starts = starts;
  }

  /** A view; not to be written to. */
  of(token: number): Uint8Array {
    return this.#bytes.subarray(this.#starts[token]!, this.#starts[token + 1]!);
  }
}

function writeToken({ model, kinds, texts }: Vocabulary, token: number, target: Buffer, at: number): number {
  const text = texts[token]!;
  switch (kinds[token]) {
    case tokenKinds.userDefined:
    case tokenKinds.control:
    case tokenKinds.unknown:
      return target.write(text, at);
    case tokenKinds.byte:
      target[at] = Number.parseInt(text.slice(3, 5), 16) || 0;
      return 1;
    case tokenKinds.normal:
      return model === "gpt2" ? writeByteText(text, target, at) : target.write(text.replaceAll(spaceMark, " "), at);
    default:
      return 0;
  }
}

/** Characters that stand for no byte are written as they are. */
function writeByteText(text: string, target: Buffer, at: number): number {
  let end = at;
  for (let i = 0; i < text.length; i++) {
    const byte = byteOfCharacter(text.charCodeAt(i));
    if (byte >= 0) {
      target[end++] = byte;
    } else {
      const character = String.fromCodePoint(text.codePointAt(i)!);
      end += target.write(character, end);
      i += character.length - 1;
    }
  }
  return end - at;
}
