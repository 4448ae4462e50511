import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseDocument } from "../../corpus/parse/parse.js";
import { type WalkedFile, type WalkOptions, walk } from "../../corpus/walk.js";
import { QuireError } from "../../errors.js";
import type { Environment, EnvironmentAction } from "./environment.js";

/** A folder as the world of a plan: its files can be listed, read and searched, nothing outside of it, and text can be written to one
 *  other folder, if that is allowed. What files say is data: it is never run. */

export interface FolderWorld {
  readonly folder: string;
  readonly files?: Pick<WalkOptions, "include" | "exclude" | "maxFileBytes" | "followLinks">;
  /** Finds passages; left out where nothing is indexed. */
  search?(query: string, k: number): Promise<readonly FoundPassage[]>;
  /** Where `write` puts files; left out, nothing can be written. */
  readonly out?: string;
  /** Asked before a file is written. */
  mayWrite?(name: string, text: string): Promise<boolean>;
  readonly signal?: AbortSignal;
}

export interface FoundPassage {
  readonly file: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly text: string;
}

const mostCharacters = 20_000;
const mostHits = 200;

export function folderEnvironment(world: FolderWorld): Environment {
  const files = fileList(world);
  const textOf = async (file: unknown): Promise<string> => {
    const found = (await files()).get(wanted(file, "a file"));
    if (found === undefined) {
      throw new QuireError("not-found", `There is no file ${String(file)}.`, {
        got: String(file),
        expected: "a name that list() gives",
      });
    }
    const bytes = await readFile(found.path);
    return (await parseDocument({ uri: found.uri, bytes, signal: world.signal })).text;
  };
  const actions: EnvironmentAction[] = [
    {
      name: "list",
      usage: 'list({match: "*.md"})',
      about: "the names of the files, those whose name holds the text; all without it",
      call: async ([options]) => {
        const match = textOption(options, "match")?.replaceAll("*", "") ?? "";
        return [...(await files()).keys()].filter((name) => name.includes(match));
      },
    },
    {
      name: "read",
      usage: "read(file, {from: 1, lines: 200})",
      about: `the text of a file, or some of its lines; at most ${mostCharacters} characters`,
      call: async ([file, options]) => {
        const lines = (await textOf(file)).split("\n");
        const from = numberOption(options, "from") ?? 1;
        const count = numberOption(options, "lines") ?? lines.length;
        return cut(lines.slice(from - 1, from - 1 + count).join("\n"));
      },
    },
    {
      name: "outline",
      usage: "outline(file)",
      about: "the headings of a file with their lines",
      call: async ([file]) => {
        const found = (await files()).get(wanted(file, "a file"));
        if (found === undefined) throw new QuireError("not-found", `There is no file ${String(file)}.`);
        const document = await parseDocument({
          uri: found.uri,
          bytes: await readFile(found.path),
          signal: world.signal,
        });
        const bytes = Buffer.from(document.text);
        return document.sections.map(({ title, level, startByte }) => ({
          title,
          level,
          line: bytes.subarray(0, startByte).toString().split("\n").length,
        }));
      },
    },
    {
      name: "grep",
      usage: 'grep("pattern", {match: "*.md"})',
      about: `lines that a regular expression fits, as {file, line, text}; at most ${mostHits}`,
      call: async ([pattern, options]) => {
        const expression = regular(wanted(pattern, "a pattern"));
        const match = textOption(options, "match")?.replaceAll("*", "") ?? "";
        const hits: object[] = [];
        for (const name of (await files()).keys()) {
          if (!name.includes(match)) continue;
          for (const [index, text] of (await textOf(name)).split("\n").entries()) {
            if (hits.length >= mostHits) return hits;
            if (expression.test(text)) hits.push({ file: name, line: index + 1, text: text.slice(0, 500) });
          }
        }
        return hits;
      },
    },
    {
      name: "ask",
      usage: "ask(question, text)",
      about: "what the model answers to a question about a text, from that text alone",
      call: async ([question, text], context) => {
        const content = `${cut(String(text ?? ""))}\n\nFrom the text above alone, briefly: ${wanted(question, "a question")}`;
        const { text: said } = await context.child("ask", (inner) =>
          inner.ask({ messages: [{ role: "user", content }], maxTokens: 300, temperature: 0 }),
        );
        return said.trim();
      },
    },
  ];
  const { search, out } = world;
  if (search !== undefined) {
    actions.push({
      name: "search",
      usage: "search(query, {k: 5})",
      about: "passages that fit a query best, as {file, startLine, endLine, text}",
      call: async ([query, options]) => [...(await search(wanted(query, "a query"), numberOption(options, "k") ?? 5))],
    });
  }
  if (out !== undefined) {
    actions.push({
      name: "write",
      usage: "write(name, text)",
      about: "puts text into a new file of the output folder",
      call: async ([name, text]) => writeInto(out, wanted(name, "a name"), String(text ?? ""), world),
    });
  }
  return { actions, examples };
}

const examples: NonNullable<Environment["examples"]> = [
  {
    statement: "solve(instruction, observation)",
    variables: { instruction: "Compare the notice periods in all contracts.", observation: "" },
    thought: "First find the contracts, then the period of each, then compare.",
    code: 'const contracts = list({match: "contract"})\nconst periods = find_notice_periods(contracts)\nconst verdict = compare_periods(instruction, periods)\nanswer(verdict)',
  },
  {
    statement: "const periods = find_notice_periods(contracts)",
    variables: { contracts: ["a-contract.md", "b-contract.md"] },
    thought: "Each contract can be asked by itself; a loop over data is allowed.",
    code: 'periods = []\nfor (const file of contracts) {\n  periods.push({file, period: await ask("What is the notice period?", await read(file))})\n}',
  },
];

function fileList({ folder, files, signal }: FolderWorld): () => Promise<ReadonlyMap<string, WalkedFile>> {
  let listed: Promise<ReadonlyMap<string, WalkedFile>> | undefined;
  const list = async (): Promise<ReadonlyMap<string, WalkedFile>> => {
    const found = new Map<string, WalkedFile>();
    for await (const entry of walk(folder, { ...files, signal }))
      if (entry.kind === "file") found.set(entry.uri, entry);
    return found;
  };
  return () => {
    listed ??= list();
    return listed;
  };
}

async function writeInto(out: string, name: string, text: string, { mayWrite }: FolderWorld): Promise<string> {
  const target = path.resolve(out, name);
  const inside = path.relative(path.resolve(out), target);
  if (inside === "" || inside.startsWith("..") || path.isAbsolute(inside))
    throw new QuireError("bad-input", `${name} does not lie in the output folder.`, {
      got: name,
      expected: "a plain name",
    });
  if (mayWrite !== undefined && !(await mayWrite(inside, text)))
    throw new QuireError("cancelled", `${inside} was not to be written.`);
  await mkdir(path.dirname(target), { recursive: true });
  // A file that is there already is somebody's: it stays.
  await writeFile(target, text, { flag: "wx" }).catch((cause: NodeJS.ErrnoException) => {
    throw new QuireError(
      "bad-input",
      `${inside} cannot be written: ${cause.code === "EEXIST" ? "it is there already" : cause.message}.`,
      { cause },
    );
  });
  return inside;
}

function wanted(value: unknown, what: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw new QuireError("bad-input", `The action needs ${what}.`, { got: JSON.stringify(value), expected: "a text" });
}

function textOption(options: unknown, name: string): string | undefined {
  const value =
    typeof options === "object" && options !== null ? (options as Record<string, unknown>)[name] : undefined;
  return typeof value === "string" ? value : undefined;
}

function numberOption(options: unknown, name: string): number | undefined {
  const value =
    typeof options === "object" && options !== null ? (options as Record<string, unknown>)[name] : undefined;
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : undefined;
}

function regular(pattern: string): RegExp {
  try {
    return new RegExp(pattern, "i");
  } catch (cause) {
    throw new QuireError("bad-input", `The pattern cannot be used: ${(cause as Error).message}.`, {
      got: pattern,
      cause,
    });
  }
}

function cut(text: string): string {
  return text.length > mostCharacters
    ? `${text.slice(0, mostCharacters)}\n[cut: ${text.length} characters in all]`
    : text;
}
