import { type Command, Option } from "commander";
import { QuireError } from "../errors.js";
import { type AdapterFlags, adapterOption } from "./adapter-flags.js";

/** Flags that several commands share, each with its environment variable. Names in the config file are the flags' in camelCase. */

export interface ModelFlags extends AdapterFlags {
  readonly model?: string;
  readonly baseUrl?: string;
  readonly apiKey?: string;
  readonly device?: string;
  readonly threads?: number;
  readonly context?: number;
  readonly cacheType?: string;
  readonly products?: string;
  readonly offline?: boolean;
}

export interface GenerationFlags {
  readonly cache?: string;
  readonly decoder?: string;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly seed?: number;
}

export interface CorpusFlags {
  readonly embedder?: string;
  readonly chunker?: string;
  readonly include?: string[];
  readonly exclude?: string[];
}

export function modelOptions(command: Command, { endpoint = true } = {}): Command {
  command.addOption(
    new Option("-m, --model <name>", "model: a short name, a path, hf:org/repo/file.gguf or an address").env(
      "QUIRE_MODEL",
    ),
  );
  if (endpoint) {
    command
      .addOption(new Option("--base-url <url>", "use an OpenAI-compatible endpoint instead").env("QUIRE_BASE_URL"))
      .addOption(new Option("--api-key <key>", "key of the endpoint").env("OPENAI_API_KEY"));
  }
  return command
    .addOption(adapterOption())
    .addOption(new Option("--device <name>", "auto, cpu, or a device `quire doctor` lists").env("QUIRE_DEVICE"))
    .addOption(number("--threads <n>", "compute threads", "QUIRE_THREADS", { least: 1, whole: true }))
    .addOption(
      number("--context <tokens>", "most tokens of prompt and answer", "QUIRE_CONTEXT", { least: 16, whole: true }),
    )
    .addOption(
      new Option("--cache-type <type>", "how keys and values are stored")
        .choices(["f16", "f32", "q8_0"])
        .env("QUIRE_CACHE_TYPE"),
    )
    .addOption(
      new Option("--products <how>", "in-parts: q4_1 matrices multiply faster, and take as much memory again")
        .choices(["as-stored", "in-parts"])
        .env("QUIRE_PRODUCTS"),
    )
    .addOption(offline());
}

/** The library reads QUIRE_OFFLINE itself, so that it also holds for programs. */
export function offline(): Option {
  return new Option("--offline", "use only what is on this machine (env: QUIRE_OFFLINE)");
}

export function generationOptions(command: Command): Command {
  return command
    .addOption(new Option("--cache <policy>", "cache policy, as window:budget=512").env("QUIRE_CACHE_POLICY"))
    .addOption(new Option("--decoder <decoder>", "decoder, as rsd or chain:draft=lookup").env("QUIRE_DECODER"))
    .addOption(number("--max-tokens <n>", "most tokens of the answer", "QUIRE_MAX_TOKENS", { least: 1, whole: true }))
    .addOption(number("--temperature <t>", "0 always takes the likeliest token", "QUIRE_TEMPERATURE", { least: 0 }))
    .addOption(number("--seed <n>", "makes drawing repeatable", "QUIRE_SEED", { least: 0, whole: true }));
}

export function corpusOptions(command: Command): Command {
  return command
    .addOption(new Option("--embedder <name>", 'embedding model, or "none" for words only').env("QUIRE_EMBEDDER"))
    .addOption(
      new Option("--chunker <chunker>", "how documents are cut, as sentence or meta-chunking:by=perplexity").env(
        "QUIRE_CHUNKER",
      ),
    )
    .addOption(new Option("--include <glob...>", "only these files"))
    .addOption(new Option("--exclude <glob...>", "not these files"));
}

export function outputOptions(command: Command): Command {
  return command
    .addOption(new Option("--json", "print one JSON value on stdout"))
    .addOption(new Option("-q, --quiet", "no bars, hints or warnings"));
}

export function number(
  flags: string,
  description: string,
  env: string | undefined,
  range: { least?: number; most?: number; whole?: boolean } = {},
): Option {
  const option = new Option(flags, description).argParser((text) => parseNumber(flags, text, range));
  return env === undefined ? option : option.env(env);
}

/** A number, or one word in its place. */
export function numberOr(
  word: string,
  flags: string,
  description: string,
  env: string | undefined,
  range: { least?: number; most?: number; whole?: boolean } = {},
): Option {
  const option = new Option(flags, description).argParser((text) =>
    text === word ? word : parseNumber(flags, text, range),
  );
  return env === undefined ? option : option.env(env);
}

function parseNumber(flags: string, text: string, range: { least?: number; most?: number; whole?: boolean }): number {
  const { least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY, whole = false } = range;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(value) && value >= least && value <= most && (!whole || Number.isSafeInteger(value)))
    return value;
  const from = Number.isFinite(least) ? ` of at least ${least}` : "";
  throw new QuireError("bad-option", `"${text}" cannot be used for ${flags.replace(/^.*(--[\w-]+).*$/, "$1")}.`, {
    got: text,
    expected: `a ${whole ? "whole " : ""}number${from}${Number.isFinite(most) ? `, at most ${most}` : ""}`,
  });
}

export function examples(command: Command, shown: readonly string[]): Command {
  return command.addHelpText("after", `\nExamples:\n${shown.map((line) => `  $ ${line}`).join("\n")}`);
}

export function isOffline(flags: { readonly offline?: boolean }): boolean {
  return flags.offline === true || /^(1|true|yes|on)$/i.test(process.env["QUIRE_OFFLINE"] ?? "");
}
