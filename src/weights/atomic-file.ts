import { randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { isQuireError, QuireError } from "../errors.js";

/** Writing a file so that nobody ever sees half of it: into a temporary file beside it, flushed, then renamed into place. */
export interface AppendOnly {
  readonly position: number;
  write(bytes: Uint8Array): Promise<void>;
}

export async function writeAtomically(path: string, fill: (file: AppendOnly) => Promise<void>): Promise<void> {
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, "wx");
    await fill(appender(handle));
    await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(temporary, path);
  } catch (error) {
    await handle?.close().catch(() => undefined);
    await rm(temporary, { force: true }).catch(() => undefined);
    throw writingError(path, error);
  }
}

function appender(handle: FileHandle): AppendOnly {
  let position = 0;
  return {
    get position() {
      return position;
    },
    async write(bytes) {
      let done = 0;
      while (done < bytes.byteLength) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done);
        done += bytesWritten;
      }
      position += bytes.byteLength;
    },
  };
}

const reasons: Record<string, [message: string, fix: string]> = {
  ENOSPC: ["the disk is full", "Free some space, or choose another folder."],
  EDQUOT: ["your disk quota is used up", "Free some space, or choose another folder."],
  ENOENT: ["its folder does not exist", "Make the folder first, or choose another."],
  ENOTDIR: ["its folder does not exist", "Make the folder first, or choose another."],
  EFBIG: ["the file would be larger than this system allows", "Choose another folder or raise the limit."],
  EACCES: ["permission denied", "Choose a folder you may write to (QUIRE_CACHE sets the cache folder)."],
  EPERM: ["permission denied", "Choose a folder you may write to (QUIRE_CACHE sets the cache folder)."],
  EROFS: ["the disk is read-only", "Choose a folder you may write to (QUIRE_CACHE sets the cache folder)."],
};

/** The typed form of a system error met when writing. `neededBytes` is how much there was still to write, where it is known. */
export function writingError(path: string, error: unknown, neededBytes?: number): unknown {
  if (isQuireError(error)) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === undefined || typeof (error as NodeJS.ErrnoException).syscall !== "string") return error;
  const [message, fix] = reasons[code] ?? [code, "Check the folder and the disk."];
  const need = neededBytes === undefined ? "" : ` (${neededBytes} more bytes are needed)`;
  return new QuireError("disk", `${path} cannot be written: ${message}${need}.`, {
    got: code,
    expected: neededBytes === undefined ? undefined : { neededBytes },
    fix,
    cause: error,
  });
}
