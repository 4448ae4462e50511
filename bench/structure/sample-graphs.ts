import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import type { EdgeList } from "../../src/structure/compressed-graph.js";
import { seededRandom } from "../../src/structure/random.js";

/** Graphs that structure benches measure on: planted hierarchies, random ones, and the dependencies among packages. */

/** Blocks of equal size at the leaves of a binary tree; two nodes are joined with the chance of the level at which their blocks meet. */
export function plantedHierarchy(options: {
  blocks: number;
  blockSize: number;
  chances: readonly number[];
  seed: number;
}): EdgeList {
  const { blocks, blockSize, chances } = options;
  const random = seededRandom(options.seed);
  const [sources, targets]: [number[], number[]] = [[], []];
  const nodeCount = blocks * blockSize;
  for (let i = 0; i < nodeCount; i++) {
    for (let j = i + 1; j < nodeCount; j++) {
      const apart = Math.floor(i / blockSize) ^ Math.floor(j / blockSize);
      if (random.uniform() >= chances[32 - Math.clz32(apart)]!) continue;
      sources.push(i);
      targets.push(j);
    }
  }
  return { nodeCount, sources, targets };
}

/** About eight edges a node: most inside groups of 16 and 128, the rest to a few nodes that everyone knows, as links in a corpus. */
export function linkedGroups(edgeCount: number, seed: number): EdgeList {
  const random = seededRandom(seed);
  const nodeCount = Math.ceil(edgeCount / 8);
  const sources = new Int32Array(edgeCount);
  const targets = new Int32Array(edgeCount);
  for (let i = 0; i < edgeCount; i++) {
    const from = random.below(nodeCount);
    const kind = random.uniform();
    const near = kind < 0.6 ? (from & ~15) + random.below(16) : (from & ~127) + random.below(128);
    const to = kind < 0.85 ? near : Math.floor(nodeCount * random.uniform() ** 3);
    sources[i] = from;
    targets[i] = Math.min(nodeCount - 1, to);
  }
  return { nodeCount, sources, targets };
}

/** Which package of an installed tree asks for which, from its lock file. */
export async function npmDependencies(lockFile: string): Promise<EdgeList> {
  const { packages } = JSON.parse(await readFile(lockFile, "utf8")) as {
    packages: Record<string, Record<string, object>>;
  };
  const [sources, targets]: [string[], string[]] = [[], []];
  for (const [path, entry] of Object.entries(packages)) {
    const name = path === "" ? "." : path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    for (const field of ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"]) {
      for (const dependency of Object.keys(entry[field] ?? {})) {
        sources.push(name);
        targets.push(dependency);
      }
    }
  }
  return { sources, targets };
}

/** Which Debian package depends on or recommends which, from the lists this machine has; undefined where it has none. */
export async function debianDependencies(): Promise<EdgeList | undefined> {
  const run = promisify(execFile)("apt-cache", ["dumpavail"], { maxBuffer: 2 ** 29 });
  const text = await run.then(
    ({ stdout }) => stdout,
    () => "",
  );
  const [sources, targets]: [string[], string[]] = [[], []];
  let name = "";
  for (const line of text.split("\n")) {
    const [, field, value] = /^(Package|Depends|Recommends): (.*)$/.exec(line) ?? [];
    if (field === "Package") name = value!;
    else if (value !== undefined) {
      for (const wanted of value.split(/[,|]/)) {
        sources.push(name);
        targets.push(wanted.trim().split(/[ :(]/)[0]!);
      }
    }
  }
  return sources.length > 0 ? { sources, targets } : undefined;
}
