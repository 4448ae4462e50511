import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Command, Option } from "commander";
import { diskError } from "../../corpus/file-problem.js";
import { nearest, QuireError } from "../../errors.js";
import { type CacheInspection, inspectCache, keptShares } from "../../inspect/cache-inspection.js";
import { cachePage } from "../../inspect/cache-page.js";
import { suggestion } from "../../method.js";
import { partOf } from "../../methods.js";
import { count } from "../layout.js";
import { openQuire } from "../open-model.js";
import { examples, type ModelFlags, modelOptions, number, outputOptions } from "../options.js";
import { readStdin } from "../read-stdin.js";
import type { Session } from "../session.js";
import { start } from "../start.js";
import { shade } from "../style.js";

/** `quire cache inspect`: which tokens cache policies keep. */

interface Flags extends ModelFlags {
  readonly cache?: string[];
  readonly maxTokens?: number;
  readonly every?: number;
  readonly layer?: number;
  readonly head?: number;
  readonly out?: string;
}

export function define(command: Command): void {
  examples(command.description("Looks into the cache of keys and values."), [
    "quire cache inspect ./letter.txt --cache h2o:budget=0.2 window:budget=0.2",
    "quire cache inspect ./letter.txt --cache h2o:budget=0.2 snapkv:budget=0.2 --out cache.html",
  ]);
  const inspect = command
    .command("inspect")
    .description("Shows which tokens of a text cache policies keep, by layer and head, while an answer is written.")
    .argument("<text>", 'a file or the text itself; "-" reads standard input');
  modelOptions(inspect, { endpoint: false })
    .addOption(new Option("--cache <policy...>", "policies to compare, as h2o:budget=0.2 window:budget=0.2"))
    .addOption(number("--max-tokens <n>", "tokens to write", undefined, { least: 1, whole: true }))
    .addOption(number("--every <n>", "tokens written between two looks", undefined, { least: 1, whole: true }))
    .addOption(number("--layer <n>", "only this layer", undefined, { least: 0, whole: true }))
    .addOption(number("--head <n>", "only this head", undefined, { least: 0, whole: true }))
    .addOption(new Option("-o, --out <file>", "a page to look at, with all moments, layers and heads: .html"));
  examples(outputOptions(inspect), [
    "quire cache inspect ./letter.txt --cache h2o:budget=0.2 window:budget=0.2",
    "quire cache inspect ./letter.txt --cache cake:budget=0.1 --layer 7",
    "quire cache inspect ./letter.txt --cache h2o:budget=0.2 snapkv:budget=0.2 --out cache.html",
  ]).action(start(run));

  command.action((_options: unknown, self: Command) => {
    const [given] = self.args;
    if (given === undefined) return self.outputHelp();
    const known = self.commands.map((one) => one.name());
    throw new QuireError("bad-option", `\`quire cache\` has no command "${given}".`, {
      got: given,
      expected: known.join(", "),
      fix: suggestion(nearest(given, known)),
    });
  });
  command.allowExcessArguments();
}

async function run(session: Session, given: string, flags: Flags): Promise<void> {
  const { cache = ["h2o:budget=0.2"], out, maxTokens, every, layer, head } = flags;
  if (out !== undefined && path.extname(out).toLowerCase() !== ".html") {
    throw new QuireError("bad-option", "What a cache keeps is written as a page.", {
      got: out,
      expected: "a name that ends in .html",
    });
  }
  const policies = await Promise.all(cache.map((name) => partOf("cache", name)));
  const text = given === "-" ? await readStdin(session.signal) : existsSync(given) ? await readText(given) : given;
  const quire = await openQuire(session, flags);
  try {
    const prompt = quire.tokenizer.encode(text, { bos: true });
    const inspections: CacheInspection[] = [];
    for (const [done, policy] of policies.entries()) {
      session.progress.show({ phase: policy.label, done, total: policies.length, unit: "texts" });
      const inspection = await inspectCache(quire.engine, prompt, { policy, maxTokens, every, signal: session.signal });
      checkChoice(inspection, { layer, head });
      inspections.push(inspection);
    }
    session.progress.clear();
    if (out !== undefined) await writePage(session, out, inspections);
    else if (session.json) session.result(inspections);
    else for (const inspection of inspections) picture(session, inspection, { layer, head });
  } finally {
    await quire.close();
  }
}

async function readText(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: unknown) => {
    throw diskError(`${file} cannot be read`, cause);
  });
}

function checkChoice({ layers, kvHeads }: CacheInspection, { layer, head }: { layer?: number; head?: number }): void {
  if (layer !== undefined && !layers.includes(layer)) {
    throw new QuireError("bad-option", `No policy touches layer ${layer}.`, {
      got: layer,
      expected: layers.join(", "),
    });
  }
  if (head !== undefined && head >= kvHeads) {
    throw new QuireError("bad-option", `There is no head ${head}.`, { got: head, expected: `0 to ${kvHeads - 1}` });
  }
}

async function writePage(session: Session, out: string, inspections: readonly CacheInspection[]): Promise<void> {
  const page = cachePage("What the cache keeps", inspections);
  try {
    await writeFile(out, page);
  } catch (cause) {
    throw diskError(`${out} cannot be written`, cause);
  }
  const policies = inspections.map(({ policy }) => policy);
  if (session.json) session.result({ file: path.resolve(out), bytes: Buffer.byteLength(page), policies });
  else session.line(`${out}: ${policies.join(" beside ")}`);
}

/** The text as it stands at the last look: shaded where there is colour, else with what nobody keeps left out. */
function picture(
  session: Session,
  inspection: CacheInspection,
  chosen: { readonly layer?: number; readonly head?: number },
): void {
  const { style } = session;
  const { snapshots, tokens, policy, promptTokens } = inspection;
  session.line(style.bold(policy));
  for (const [index, snapshot] of snapshots.entries()) {
    const isLast = index === snapshots.length - 1;
    if (!isLast && snapshot.tokens > promptTokens) continue;
    const shares = keptShares(inspection, snapshot, chosen);
    const kept = shares.reduce((sum, share) => sum + share, 0);
    const when =
      snapshot.tokens <= promptTokens
        ? `${count(snapshot.tokens, "token")} of the prompt read`
        : `${count(snapshot.tokens - promptTokens, "token")} written`;
    const line = `${when}: ${Math.round(kept)} of ${snapshot.tokens} kept (${((100 * kept) / snapshot.tokens).toFixed(0)} %)`;
    session.line(isLast ? line : style.dim(line));
    if (isLast) session.line(`\n${shaded(tokens, shares)}\n`);
  }
}

function shaded(tokens: CacheInspection["tokens"], shares: Float32Array): string {
  if (process.stdout.isTTY === true && shade("x", 1) !== "x")
    return Array.from(shares, (share, index) => shade(tokens[index]?.text ?? "", share)).join("");
  let dropped = 0;
  let text = "";
  const mark = (): void => {
    if (dropped > 0) text += `⟨${dropped}⟩`;
    dropped = 0;
  };
  for (const [index, share] of shares.entries()) {
    if (share === 0) {
      dropped++;
      continue;
    }
    mark();
    text += tokens[index]?.text ?? "";
  }
  mark();
  return text;
}
