import { execFile } from "node:child_process";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { AskQuestion } from "./question.js";

/** Fetches a documentation package of Debian with the machine's own apt and unpacks it; nothing is installed. Where there is no
 *  apt, or no network, it says why there are no documents. */

const run = promisify(execFile);

export type FetchedPackage = { readonly folder: string; readonly file: string } | { readonly skipped: string };

export async function fetchDebianPackage(name: string, into: string, signal?: AbortSignal): Promise<FetchedPackage> {
  await mkdir(into, { recursive: true });
  const existing = await debFile(name, into);
  if (existing === undefined) {
    try {
      await run("apt-get", ["download", "-q", name], { cwd: into, timeout: 300_000, signal });
    } catch (error) {
      return { skipped: `${name} could not be fetched with apt-get download: ${firstLine(error)}` };
    }
  }
  const file = existing ?? (await debFile(name, into));
  if (file === undefined) return { skipped: `apt-get download left no file of ${name} in ${into}` };
  const folder = join(into, name);
  try {
    await run("dpkg-deb", ["-x", join(into, file), folder], { timeout: 120_000, signal });
  } catch (error) {
    return { skipped: `${file} could not be unpacked: ${firstLine(error)}` };
  }
  return { folder, file };
}

async function debFile(name: string, folder: string): Promise<string | undefined> {
  const files = await readdir(folder);
  return files
    .filter((file) => file.startsWith(`${name}_`) && file.endsWith(".deb"))
    .sort()
    .at(-1);
}

function firstLine(error: unknown): string {
  const { stderr, code, message } = error as { stderr?: string; code?: string | number; message?: string };
  const said = stderr?.trim().split("\n") ?? [];
  return (
    (said.find((line) => line.startsWith("E:")) ?? said[0]) ||
    (code === "ENOENT" ? "the program is not there" : (message ?? String(error)))
  );
}

/** Questions whose places stand in this version of the documents, and those whose places do not. */
export async function questionsThatHold(
  questions: readonly AskQuestion[],
  folder: string,
): Promise<{ held: AskQuestion[]; lost: AskQuestion[] }> {
  const held: AskQuestion[] = [];
  const lost: AskQuestion[] = [];
  for (const question of questions) {
    const standing = await Promise.all(
      question.gold.map(async ({ file, phrase }) => (await plainText(join(folder, file))).includes(phrase)),
    );
    (standing.every(Boolean) ? held : lost).push(question);
  }
  return { held, lost };
}

/** The words of an HTML file, roughly: enough to see whether a phrase stands in it. */
async function plainText(path: string): Promise<string> {
  const html = await readFile(path, "utf8").catch(() => "");
  return html
    .replace(/<[^>]+>/g, "")
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&amp;/g, "&")
    .replace(/\s+/g, " ");
}
