import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeAtomically } from "../../src/weights/atomic-file.js";
import { cacheFolder } from "../../src/weights/cache-folder.js";

/** What trainings of a bench gave, in a file, so that a bench that was stopped goes on where it was. The file belongs to the settings it
 *  is opened with; `version` is raised by hand where the program itself gives other figures. */
export class FinishedRuns<Outcome> {
  readonly folder: string;
  readonly #path: string;

  constructor(bench: string, version: number, settings: unknown) {
    const hash = createHash("sha256")
      .update(JSON.stringify([version, settings]))
      .digest("hex");
    this.folder = join(cacheFolder(), "bench", `${bench}-${hash.slice(0, 16)}`);
    this.#path = join(this.folder, "finished.json");
  }

  async get(name: string): Promise<Outcome | undefined> {
    return (await this.#read())[name];
  }

  /** What was kept under this name, or else what `work` gives, which is kept. */
  async once(name: string, work: () => Promise<Outcome>): Promise<Outcome> {
    const kept = await this.get(name);
    if (kept !== undefined) return kept;
    const outcome = await work();
    // Two runs that share the work may write to the same file.
    const all = { ...(await this.#read()), [name]: outcome };
    await mkdir(dirname(this.#path), { recursive: true });
    await writeAtomically(this.#path, (file) => file.write(Buffer.from(JSON.stringify(all))));
    return outcome;
  }

  #read(): Promise<Record<string, Outcome>> {
    return readFile(this.#path, "utf8").then(
      (text) => JSON.parse(text) as Record<string, Outcome>,
      () => ({}),
    );
  }
}

/** Adds what one seed gave to what all gave, by contender. Of a run that was stopped, seeds after the first count only where they are
 *  complete, so that all contenders have the same. */
export function addSeed<Outcome>(all: Map<string, Outcome[]>, ofSeed: ReadonlyMap<string, Outcome | undefined>): void {
  const isComplete = [...ofSeed.values()].every((outcome) => outcome !== undefined);
  if (all.size > 0 && !isComplete) return;
  for (const [name, outcome] of ofSeed) if (outcome !== undefined) all.set(name, [...(all.get(name) ?? []), outcome]);
}
