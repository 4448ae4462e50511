import { basename, dirname, join } from "node:path";
import { isQuireError, QuireError } from "../errors.js";
import type { GgufPart } from "./gguf.js";

/** A model split over files named NAME-00001-of-00003.gguf: any of them opens all, in order. */

const most = 1000;

/** The names of all files of the split that `path` belongs to, or nothing if its name is not of that form. */
export function splitFiles(path: string): string[] | undefined {
  const match = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/.exec(basename(path));
  if (!match) return undefined;
  const [, stem, number, count] = match;
  const total = Number(count);
  if (total < 1 || total > most || Number(number) < 1 || Number(number) > total) return undefined;
  return Array.from({ length: total }, (_, i) =>
    join(dirname(path), `${stem}-${String(i + 1).padStart(5, "0")}-of-${count}.gguf`),
  );
}

export async function openGgufParts(
  path: string,
  open: (path: string, file: number) => Promise<GgufPart>,
): Promise<GgufPart[]> {
  const names = splitFiles(path) ?? [path];
  const parts: GgufPart[] = [];
  try {
    for (const [i, name] of names.entries()) {
      const part = await open(name, i).catch((error: unknown) => {
        throw isQuireError(error) && error.code === "not-found" && name !== path ? missing(path, name) : error;
      });
      parts.push(part);
      checkMember(part, i, names.length);
    }
    checkWhole(parts, path);
    return parts;
  } catch (error) {
    await Promise.all(parts.map((part) => part.source.close()));
    throw error;
  }
}

function missing(path: string, name: string): QuireError {
  return new QuireError("not-found", `${path} is one of several files, and ${basename(name)} is not beside it.`, {
    got: path,
    expected: name,
    fix: "Put all files of the model into one folder.",
  });
}

function checkMember({ source, metadata }: GgufPart, index: number, total: number): void {
  const count = metadata.get("split.count") ?? 1;
  const number = metadata.get("split.no") ?? 0;
  if (count === total && number === index) return;
  // A file may say nothing of a split, or "1 of 1", and bear any name.
  if (total === 1 && (count === 0 || count === 1)) return;
  throw new QuireError("bad-file", `${source.path} does not belong where its name puts it in a split model.`, {
    got: { "split.no": number, "split.count": count },
    expected: { "split.no": index, "split.count": total },
    fix: "Keep the names that the files were published with (NAME-00001-of-00003.gguf).",
  });
}

function checkWhole(parts: readonly GgufPart[], path: string): void {
  const names = new Set<string>();
  for (const { tensors, source } of parts) {
    for (const { name } of tensors) {
      if (names.has(name)) {
        throw new QuireError("bad-file", `${source.path}: the tensor "${name}" is in an earlier file too.`, {
          got: name,
        });
      }
      names.add(name);
    }
  }
  const claimed = parts[0]?.metadata.get("split.tensors.count");
  if (parts.length > 1 && claimed !== undefined && claimed !== names.size) {
    throw new QuireError("bad-file", `${path}: the files together hold ${names.size} tensors.`, {
      got: names.size,
      expected: claimed,
      fix: "A file of the model is from another version: fetch all of them again.",
    });
  }
}
