import { type FileHandle, open } from "node:fs/promises";
import { QuireError } from "../errors.js";

/** One open file of weights: its length at opening, and positioned reads that either fill the target or say why not. */
export interface WeightSource {
  readonly path: string;
  readonly size: number;
  read(position: number, target: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** One read call moves at most this much: the system's own limit lies at 2 GiB. */
const longestRead = 1 << 30;

export async function openWeightSource(path: string): Promise<WeightSource> {
  const handle = await openForReading(path);
  try {
    const { size } = await statOfFile(handle, path);
    return sourceOf(handle, path, size);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function sourceOf(handle: FileHandle, path: string, size: number): WeightSource {
  let closing: Promise<void> | undefined;
  return {
    path,
    size,
    async read(position, target) {
      if (closing) throw new QuireError("bad-option", `${path} is closed.`, { fix: "Read before closing the model." });
      let done = 0;
      while (done < target.byteLength) {
        const want = Math.min(longestRead, target.byteLength - done);
        const { bytesRead } = await handle.read(target, done, want, position + done).catch((cause: unknown) => {
          throw new QuireError("bad-file", `${path} cannot be read at byte ${position + done}.`, { cause });
        });
        if (bytesRead === 0) {
          throw new QuireError("bad-file", `${path} ends at byte ${position + done}, before its data does.`, {
            got: position + done,
            expected: position + target.byteLength,
            fix: "The file is cut off or was changed while open: fetch it again.",
          });
        }
        done += bytesRead;
      }
    },
    close() {
      closing ??= handle.close();
      return closing;
    },
  };
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (cause) {
    throw openingError(path, cause);
  }
}

async function statOfFile(handle: FileHandle, path: string): Promise<{ size: number }> {
  const stat = await handle.stat();
  if (!stat.isFile()) {
    throw new QuireError("bad-file", `${path} is not a file.`, {
      got: stat.isDirectory() ? "a folder" : "a device or pipe",
      expected: "a model file",
    });
  }
  return stat;
}

/** The typed form of a system error met when opening something to read. */
export function openingError(path: string, cause: unknown): QuireError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ENOTDIR") return new QuireError("not-found", `${path} does not exist.`, { cause });
  if (code === "EACCES" || code === "EPERM") {
    return new QuireError("bad-file", `${path} may not be read.`, { fix: "Check the file's permissions.", cause });
  }
  return new QuireError("bad-file", `${path} cannot be opened: ${code ?? String(cause)}.`, { cause });
}
