import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { QuireError } from "../errors.js";
import { type GgufFile, openGguf } from "./gguf.js";
import { splitFiles } from "./gguf-split.js";
import { openSafetensors, type SafetensorsFile } from "./safetensors.js";
import { openingError } from "./weight-source.js";

/** Opens a model whatever its format: a .gguf file (or any file of a split one), a .safetensors file, or a folder of either. */
export async function openWeightFile(path: string): Promise<GgufFile | SafetensorsFile> {
  const found = await stat(path).catch((cause: unknown) => {
    throw openingError(path, cause);
  });
  if (found.isDirectory()) {
    const gguf = await ggufIn(path);
    return gguf === undefined ? openSafetensors(path) : openGguf(gguf);
  }
  if (path.endsWith(".json")) return openSafetensors(path);
  return (await looksLikeSafetensors(path)) ? openSafetensors(path) : openGguf(path);
}

/** By content first, by name where the content says nothing: a cut-off file is still reported as what it was to be. */
async function looksLikeSafetensors(path: string): Promise<boolean> {
  const handle = await open(path, "r").catch((cause: unknown) => {
    throw openingError(path, cause);
  });
  try {
    const start = Buffer.alloc(9);
    const { bytesRead } = await handle.read(start, 0, 9, 0);
    if (bytesRead >= 4 && start.toString("latin1", 0, 4) === "GGUF") return false;
    return path.endsWith(".safetensors") || (bytesRead === 9 && start[8] === 0x7b);
  } finally {
    await handle.close();
  }
}

async function ggufIn(folder: string): Promise<string | undefined> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".gguf")).sort();
  const first = names[0];
  if (first === undefined) return undefined;
  const together = splitFiles(first);
  if (names.length === 1 || names.every((name) => together?.includes(name))) return join(folder, first);
  throw new QuireError("bad-file", `${folder} holds ${names.length} models.`, {
    got: names.slice(0, 20),
    expected: "one model",
    fix: "Give the path of the file itself.",
  });
}
