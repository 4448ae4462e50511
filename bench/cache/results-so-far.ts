import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { writeAtomically } from "../../src/weights/atomic-file.js";
import { cacheFolder } from "../../src/weights/cache-folder.js";

/** Outcomes by name in a JSON file, written after each, so that a run that was stopped goes on where it was. The file belongs to one
 *  state of the source: figures of different programs never mix. */
export class ResultsSoFar<Outcome> {
  readonly path: string;
  readonly #held: Record<string, Outcome>;

  private constructor(path: string, held: Record<string, Outcome>) {
    this.path = path;
    this.#held = held;
  }

  static async open<Outcome>(bench: string, ...settings: string[]): Promise<ResultsSoFar<Outcome>> {
    const key = createHash("sha256")
      .update(JSON.stringify([await sourceState(), ...settings]))
      .digest("hex");
    const path = join(cacheFolder(), "bench", `${bench}-${key.slice(0, 16)}.json`);
    const held = await readHeld<Outcome>(path);
    return new ResultsSoFar(path, held);
  }

  get count(): number {
    return Object.keys(this.#held).length;
  }

  get(name: string): Outcome | undefined {
    return this.#held[name];
  }

  async add(outcomes: Readonly<Record<string, Outcome>>): Promise<void> {
    // Two runs that share the work may write to the same file.
    Object.assign(this.#held, await readHeld<Outcome>(this.path), outcomes);
    await mkdir(dirname(this.path), { recursive: true });
    await writeAtomically(this.path, (file) => file.write(Buffer.from(JSON.stringify(this.#held))));
  }
}

async function readHeld<Outcome>(path: string): Promise<Record<string, Outcome>> {
  return readFile(path, "utf8").then(
    (text) => JSON.parse(text) as Record<string, Outcome>,
    () => ({}),
  );
}

async function sourceState(): Promise<string> {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const git = async (...args: string[]) =>
    (await promisify(execFile)("git", args, { cwd: root, maxBuffer: 2 ** 26 })).stdout;
  try {
    const [tree, changes] = await Promise.all([
      git(
        "rev-parse",
        "HEAD:src/cache",
        "HEAD:src/decode",
        "HEAD:src/engine",
        "HEAD:src/models",
        "HEAD:src/tensor",
        "HEAD:bench/cache",
      ),
      git("diff", "HEAD", "--", "src/cache", "src/decode", "src/engine", "src/models", "src/tensor", "bench/cache"),
    ]);
    return tree + changes;
  } catch {
    return "no repository";
  }
}
