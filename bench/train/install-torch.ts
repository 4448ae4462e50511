import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { QuireError } from "../../src/errors.js";
import { cacheFolder } from "../../src/weights/cache-folder.js";

/** A Python that has PyTorch: the one that QUIRE_TORCH_PYTHON names, or one of our own in the cache, installed once by pip (some
 *  gigabytes where no build for the processor alone is to be had). */

const run = promisify(execFile);

export async function torchPython(progress: (text: string) => void = () => undefined): Promise<string> {
  const named = process.env["QUIRE_TORCH_PYTHON"];
  if (named !== undefined && named !== "") return named;
  const folder = path.join(cacheFolder(), "bench", "torch");
  const python = path.join(folder, "bin", "python");
  if (await works(python)) return python;
  progress("installing PyTorch");
  try {
    await mkdir(path.dirname(folder), { recursive: true });
    await run("python3", ["-m", "venv", folder]);
    await run(python, ["-m", "pip", "install", "--quiet", "torch", "numpy"], { timeout: 1_800_000 });
    if (await works(python)) return python;
  } catch (cause) {
    throw missing(cause);
  }
  throw missing(undefined);
}

async function works(python: string): Promise<boolean> {
  return run(python, ["-c", "import torch"]).then(
    () => true,
    () => false,
  );
}

function missing(cause: unknown): QuireError {
  return new QuireError("not-found", "PyTorch, which this bench measures against, cannot be installed here.", {
    fix: "Install torch into a Python and name that in QUIRE_TORCH_PYTHON.",
    cause,
  });
}
