import { createHash } from "node:crypto";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeAtomically } from "../../src/weights/atomic-file.js";
import { cacheFolder } from "../../src/weights/cache-folder.js";
import type { Row } from "../lib/report.js";

/** Parts of a run that are done, in a file, so that a run that was stopped goes on where it was. The file belongs to one state of
 *  chunkers and bench: figures of different programs never mix. */

export interface Part {
  readonly rows: readonly Row[];
  readonly ratios: Readonly<Record<string, number>>;
}

export class FinishedParts {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  static async open(...settings: string[]): Promise<FinishedParts> {
    const hash = createHash("sha256").update(JSON.stringify(settings));
    const root = fileURLToPath(new URL("../..", import.meta.url));
    for (const folder of ["src/corpus/chunk", "src/corpus/chunk/code", "bench/chunk", "bench/ask"]) {
      const names = (await readdir(join(root, folder))).filter((name) => /(?<!\.test)\.ts$/.test(name)).sort();
      for (const name of names) hash.update(name).update(await readFile(join(root, folder, name)));
    }
    for (const file of ["src/scoring.ts", "src/decode/score.ts"]) hash.update(await readFile(join(root, file)));
    return new FinishedParts(join(cacheFolder(), "bench", `chunkers-${hash.digest("hex").slice(0, 16)}.json`));
  }

  /** What was kept under this name, or else what `work` gives, which is kept. */
  async once(name: string, work: () => Promise<Part>): Promise<Part> {
    const kept = (await this.#read())[name];
    if (kept !== undefined) return kept;
    const part = await work();
    // Two runs that share the work may write to the same file.
    const all = { ...(await this.#read()), [name]: part };
    await mkdir(dirname(this.#path), { recursive: true });
    await writeAtomically(this.#path, (file) => file.write(Buffer.from(JSON.stringify(all))));
    return part;
  }

  #read(): Promise<Record<string, Part>> {
    return readFile(this.#path, "utf8").then(
      (text) => JSON.parse(text) as Record<string, Part>,
      () => ({}),
    );
  }
}
