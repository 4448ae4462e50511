import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeAtomically } from "../../src/weights/atomic-file.js";
import { cacheFolder } from "../../src/weights/cache-folder.js";

/** Outcomes of finished parts, kept by what they were measured with, so that a run that was stopped goes on. Raise the edition when
 *  tasks, training or judging change what is measured. */
const edition = 1;

export class Outcomes {
  readonly #path = join(cacheFolder(), "bench", "structural-recursion.json");
  #held: Record<string, unknown> = {};

  static async open(): Promise<Outcomes> {
    const outcomes = new Outcomes();
    await outcomes.#read();
    return outcomes;
  }

  static key(parts: unknown): string {
    return createHash("sha256")
      .update(JSON.stringify([edition, parts]))
      .digest("hex")
      .slice(0, 16);
  }

  get<Outcome>(key: string): Outcome | undefined {
    return this.#held[key] as Outcome | undefined;
  }

  async add(key: string, outcome: unknown): Promise<void> {
    await this.#read();
    this.#held[key] = outcome;
    await mkdir(dirname(this.#path), { recursive: true });
    await writeAtomically(this.#path, (file) => file.write(Buffer.from(JSON.stringify(this.#held))));
  }

  async #read(): Promise<void> {
    // Another run may have added some.
    const kept = await readFile(this.#path, "utf8").then(
      (text) => JSON.parse(text) as Record<string, unknown>,
      () => ({}),
    );
    this.#held = { ...kept, ...this.#held };
  }
}
