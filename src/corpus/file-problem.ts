/** What an operating system's error about a file means, in words; and which of Quire's errors it is when writing. */

import { QuireError } from "../errors.js";

const words: Readonly<Record<string, string>> = {
  EACCES: "no permission",
  EPERM: "no permission",
  ENOENT: "it is not there",
  ELOOP: "the links go round in a circle",
  ENAMETOOLONG: "the name is too long",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of its path is a file",
  EMFILE: "too many files are open",
  EIO: "the disk reported an error",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EROFS: "the disk is read-only",
};

/** As native libraries write the system's errors. */
const phrases: readonly (readonly [RegExp, string])[] = [
  [/No space left/i, "ENOSPC"],
  [/quota/i, "EDQUOT"],
  [/Read-only file system/i, "EROFS"],
  [/Permission denied/i, "EACCES"],
  [/Not a directory/i, "ENOTDIR"],
];

export function fileProblem(cause: unknown): string {
  const code = (cause as NodeJS.ErrnoException | null)?.code;
  const spoken = phrases.find(([phrase]) => phrase.test(String(cause)))?.[1];
  return words[code ?? ""] ?? words[spoken ?? ""] ?? code ?? String(cause);
}

/** Native libraries put the system's error into their text, so that is looked at as well as the code. */
const noRoom =
  /ENOSPC|EDQUOT|EROFS|EACCES|EPERM|ENOTDIR|EFBIG|No space left|Disk quota|Read-only file system|Permission denied|Not a directory|File too large|os error (?:13|28|30|122)\b/i;

export function isDiskError(cause: unknown): boolean {
  return noRoom.test(`${(cause as NodeJS.ErrnoException | null)?.code ?? ""} ${String(cause)}`);
}

export function diskError(what: string, cause: unknown): QuireError {
  return new QuireError("disk", `${what}: ${fileProblem(cause)}.`, {
    expected: "a folder that can be written, with room left",
    fix: "Free some room or choose another folder for the index (QUIRE_CACHE or indexFolder).",
    cause,
  });
}
