/** llama.cpp's own tokenizer over a vocabulary given as metadata: the reference for tests. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type LlamaVocab, llamaVocab } from "../tensor/ffi/llama.js";
import { writeGguf } from "../weights/gguf-write.js";
import type { Metadata } from "./vocab/vocabulary.js";

export async function referenceVocab(metadata: Metadata): Promise<LlamaVocab> {
  const folder = mkdtempSync(path.join(tmpdir(), "quire-vocab-"));
  try {
    const file = path.join(folder, "vocab.gguf");
    await writeGguf(file, { metadata, tensors: [] });
    return llamaVocab(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const nastyTexts: readonly string[] = [
  "",
  " ",
  "  ",
  "\n",
  "\r\n\r\n",
  " \n \n\n  x",
  "\t\tif (a  ==  b) {\r\n\t}\n\n\n",
  "Hello, world! It's 2024; they'll've we'RE I'D 'S's 'lL",
  "1234567890 12 3456 ½ ² Ⅷ ٣٤٥ १२३",
  "naïve café ﬁ ﬀ Å Å e\u0301 \u0301x",
  "日本語のテキスト、中文文本，한국어 텍스트。",
  "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 \u{1F9FF}\u{10FFFF}",
  "مرحبا بالعالم שלום עולם हिन्दी ไทย",
  "a\u0000b\u0000\u0000 \u0001\u001f\u007f\u0085\u00a0\u2028\u2029\u3000x",
  "\ufeffBOM \ufffd \ufffe\uffff",
  "lone \ud800 and \udc00 and \udc00\ud800 end \ud83d",
  "<|im_start|>user\nhi<|im_end|>\n<|endoftext|><bos><eos><start_of_turn>user<end_of_turn><unk></s><s>",
  "<table><tr><td>\n\n\n\n    <code>x</code>     </td>\n\n\n</table>",
  "<<<|im_end|>|im_end|> <|im_en",
  "▁ ▁▁ a▁b ▁\u2581 >▁</ > </",
  "https://example.com/path?query=1&b=%20#frag user@mail.org $100.00 -- --- ... ''' \"\"\"",
  "   leading and trailing   ",
  "supercalifragilisticexpialidocious".repeat(20),
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  `${" ".repeat(100)}x${" ".repeat(57)}\n`,
  "ſ K İ ı ẞ ǅ ʼn ΐ",
];
