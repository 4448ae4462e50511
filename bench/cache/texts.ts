import { mkdir, readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fetchDebianPackage } from "../ask/debian-package.js";
import { generateCorpus } from "../ask/generate.js";

/** A long text to read: a file, else the Debian Policy Manual, else generated prose. */

export interface LongText {
  readonly name: string;
  readonly text: string;
  readonly note: string;
}

export async function longText(file: string | undefined, folder: string, quick: boolean): Promise<LongText> {
  if (file !== undefined)
    return { name: basename(file), text: await readFile(file, "utf8"), note: `Text: ${basename(file)}.` };
  if (quick) return generated("a quick run fetches nothing");
  const into = join(folder, "debian");
  await mkdir(into, { recursive: true });
  const fetched = await fetchDebianPackage("debian-policy", into);
  if ("skipped" in fetched) return generated(fetched.skipped);
  const pages = join(fetched.folder, "usr/share/doc/debian-policy/policy.html");
  const chapters = (await readdir(pages)).filter((name) => /^ch-.*\.html$/.test(name)).sort();
  const texts = await Promise.all(chapters.map(async (name) => words(await readFile(join(pages, name), "utf8"))));
  return {
    name: "Debian Policy Manual",
    text: texts.join("\n\n"),
    note: `Text: Debian Policy Manual, ${fetched.file}.`,
  };
}

function generated(why: string): LongText {
  const { files } = generateCorpus({ seed: 1, documents: 60, questions: 1 });
  return {
    name: "generated prose",
    text: files.map(({ text }) => text).join("\n\n"),
    note: `Text: generated prose (${why}).`,
  };
}

/** The words of the main part of a page. */
function words(html: string): string {
  const body = html.match(/<div class="body"[^>]*>([\s\S]*?)<div class="sphinxsidebar/)?.[1] ?? html;
  return body
    .replace(/<(script|style)[\s\S]*?<\/\1>/g, "")
    .replace(/<\/(p|li|h\d|div|dd|dt|pre)>/g, "\n")
    .replace(/<[^>]+>/g, "")
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, "&")
    .replace(/¶/g, "")
    .replace(/[ \t]+/g, " ")
    .replace(/\s*\n\s*/g, "\n")
    .trim();
}
