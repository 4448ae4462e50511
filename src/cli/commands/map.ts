import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Command, Option } from "commander";
import { diskError } from "../../corpus/file-problem.js";
import type { CorpusMap } from "../../corpus/map/corpus-map.js";
import { mapHtml } from "../../corpus/map/map-html.js";
import { cutMap, type MapNode, mapNodes } from "../../corpus/map/map-node.js";
import { mapSvg } from "../../corpus/map/map-svg.js";
import type { Corpus } from "../../corpus-session.js";
import { QuireError } from "../../errors.js";
import { count, oneLine } from "../layout.js";
import { checkFolder, openFolder } from "../open-folder.js";
import { openModelIfAny } from "../open-model.js";
import {
  type CorpusFlags,
  corpusOptions,
  examples,
  type ModelFlags,
  modelOptions,
  number,
  outputOptions,
} from "../options.js";
import { packageRoot } from "../package-root.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire map`: the topics of a folder, as an outline, a picture, a page or data. */

interface Flags extends Omit<ModelFlags, "model">, CorpusFlags {
  /** False after --no-model. */
  readonly model?: string | false;
  readonly out?: string;
  readonly depth?: number;
  readonly title?: string;
  readonly names?: number;
}

const kinds = ["svg", "html", "json"] as const;
type Kind = (typeof kinds)[number];

export function define(command: Command): void {
  command
    .description("Shows what a folder is about: topics inside topics, their area the amount of text.")
    .argument("<folder>", "folder (or file) with the documents");
  modelOptions(command)
    .addOption(new Option("--no-model", "name topics by their words, no model"))
    .addOption(new Option("-o, --out <file>", "picture, page or data: a name that ends in .svg, .html or .json"))
    .addOption(number("--depth <levels>", "levels of topics to show", undefined, { least: 1, whole: true }))
    .addOption(new Option("--title <words>", "title of the map; default the folder's name"))
    .addOption(number("--names <n>", "most topics that the model names", undefined, { least: 0, whole: true }));
  corpusOptions(command);
  examples(outputOptions(command), [
    "quire map ./docs --no-model",
    "quire map ./docs --out map.svg",
    'quire map ./src --out map.html --no-model --include "**/*.ts"',
  ]);
  command.action(start(run));
}

async function run(session: Session, folder: string, flags: Flags): Promise<void> {
  const kind = flags.out === undefined ? undefined : kindOf(flags.out);
  const script = kind === "html" ? await viewerScript() : "";
  await checkFolder(folder, flags);
  const { model: named, ...rest } = flags;
  const opened = named === false ? undefined : await openModelIfAny(session, { ...rest, model: named });
  try {
    const corpus = await openFolder(session, folder, rest, { model: opened?.model });
    try {
      const map = await corpus.map({
        names: opened === undefined ? "words" : "model",
        mostNamed: flags.names,
        title: flags.title,
        signal: session.signal,
        onProgress: (phase, done, total) => session.progress.show({ phase, done, total, unit: "steps" }),
      });
      session.progress.clear();
      for (const note of map.notes) session.warn(note);
      if (flags.out !== undefined && kind !== undefined)
        await writeMap(session, corpus, map, flags.out, kind, script, flags);
      else if (session.json) session.result(flags.depth === undefined ? map.root : cutMap(map.root, flags.depth));
      else outline(session, map, flags.depth);
    } finally {
      await corpus.close();
    }
  } finally {
    await opened?.close();
  }
}

function kindOf(file: string): Kind {
  const ending = path.extname(file).slice(1).toLowerCase();
  const kind = kinds.find((one) => one === ending);
  if (kind !== undefined) return kind;
  throw new QuireError("bad-option", `A map cannot be written as "${ending === "" ? file : `.${ending}`}".`, {
    got: file,
    expected: "a name that ends in .svg, .html or .json",
  });
}

async function viewerScript(): Promise<string> {
  const file = path.join(packageRoot, "dist", "map", "map-page.js");
  if (existsSync(file)) return readFile(file, "utf8");
  throw new QuireError("not-found", "The page that shows a map has not been built.", {
    got: file,
    expected: "a built package",
    fix: "Run `npm run build`, or use --out map.svg.",
  });
}

async function writeMap(
  session: Session,
  corpus: Corpus,
  map: CorpusMap,
  out: string,
  kind: Kind,
  script: string,
  { depth }: Flags,
): Promise<void> {
  const facts = await describe(corpus, map);
  const { name: title } = map.root;
  const content =
    kind === "svg"
      ? mapSvg(map.root, { title, subtitle: facts, depth })
      : kind === "html"
        ? await mapHtml(depth === undefined ? map.root : cutMap(map.root, depth), {
            title,
            subtitle: facts,
            script,
            excerptOf: excerpts(map),
          })
        : `${JSON.stringify(depth === undefined ? map.root : cutMap(map.root, depth))}\n`;
  try {
    await writeFile(out, content);
  } catch (cause) {
    throw diskError(`${out} cannot be written`, cause);
  }
  if (session.json) session.result({ file: path.resolve(out), bytes: Buffer.byteLength(content), by: map.by });
  else session.line(`${out}: ${facts}`);
}

async function describe(corpus: Corpus, { root }: CorpusMap): Promise<string> {
  const { chunks, documents } = await corpus.index.stats();
  const topics = topicCount(root);
  const top = (root.children ?? []).filter(({ chunk }) => chunk === undefined).length;
  return `${count(chunks, "passage")} of ${count(documents, "file")} in ${count(topics, "topic")}, ${top} at the top`;
}

function topicCount(root: MapNode): number {
  let topics = -1;
  for (const { node } of mapNodes(root)) if (node.chunk === undefined) topics++;
  return topics;
}

const excerptLength = 280;
/** Beginnings of chunks make a small map readable by itself; a large one would be all excerpts. */
const mostExcerpts = 20_000;

function excerpts(map: CorpusMap): ((node: MapNode) => string | undefined) | undefined {
  const chunks = map.chunksOf(map.root);
  if (chunks.length > mostExcerpts) return undefined;
  const texts = new Map(chunks.map(({ id, text }) => [id, text]));
  return ({ id }) =>
    texts
      .get(id)
      ?.slice(0, 2 * excerptLength)
      .replace(/\s+/g, " ")
      .trim()
      .slice(0, excerptLength);
}

function outline(session: Session, { root }: CorpusMap, depth = 3): void {
  const { style } = session;
  const total = Math.max(1, root.size);
  session.line(style.bold(root.name));
  for (const { node, depth: level } of mapNodes(root)) {
    if (level === 0 || level > depth || node.chunk !== undefined) continue;
    const share = (100 * node.size) / total;
    const shown = share < 1 ? "<1" : String(Math.round(share));
    const indent = "  ".repeat(level - 1);
    const name = oneLine(node.name, Math.max(20, session.columns - indent.length - 8));
    session.line(`${style.dim(`${shown.padStart(3)} %`)}  ${indent}${level === 1 ? style.bold(name) : name}`);
  }
}
