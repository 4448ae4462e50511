import path from "node:path";
import { type Command, Option } from "commander";
import { QuireError } from "../../errors.js";
import { partOf } from "../../methods.js";
import { adaptersOf } from "../adapter-flags.js";
import { bytes } from "../layout.js";
import { showOpening } from "../open-model.js";
import { examples, isOffline, type ModelFlags, modelOptions, number, outputOptions } from "../options.js";
import { packageRoot, packageVersion } from "../package-root.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire serve`: the OpenAI-compatible server with its page, until Ctrl-C or SIGTERM. */

interface Flags extends ModelFlags {
  readonly corpus?: string[];
  readonly embedder?: string;
  readonly host: string;
  readonly port: number;
  readonly keys?: string;
  readonly cors?: string[];
  readonly alias?: string[];
  readonly parallel: number;
  readonly queueSize: number;
  readonly schedule?: string;
  readonly tbtTarget?: number;
  readonly cacheMemory?: number;
  readonly prefixSharing: boolean;
  readonly maxTokens: number;
  readonly maxBody: number;
  readonly maxUpload: number;
  readonly data?: string;
  readonly drain: number;
  readonly usagePrivacy?: string;
  readonly echo?: boolean;
  readonly queue?: string;
}

export function define(command: Command): void {
  command.description(
    "Serves a model and corpora: an OpenAI-compatible API and a page, on one port of this machine. Ctrl-C lets requests finish and ends.",
  );
  modelOptions(command, { endpoint: false })
    .addOption(new Option("--corpus <folder...>", "folders to offer for questions, read-only"))
    .addOption(new Option("--embedder <name>", 'embedding model, or "none" for words only').env("QUIRE_EMBEDDER"))
    .addOption(
      new Option("--host <address>", "beyond this machine only with --keys").default("127.0.0.1").env("QUIRE_HOST"),
    )
    .addOption(
      number("--port <n>", "0 for any that is free", "QUIRE_PORT", { least: 0, most: 65535, whole: true }).default(
        8000,
      ),
    )
    .addOption(new Option("--keys <file>", "API keys, as `quire keys add` makes them").env("QUIRE_KEYS"))
    .addOption(new Option("--cors <origin...>", "sites whose pages may call, as https://app.example"))
    .addOption(new Option("--alias <name...>", "further names the model answers to"))
    .addOption(
      number("--parallel <n>", "requests in the engine at a time", "QUIRE_PARALLEL", {
        least: 1,
        most: 256,
        whole: true,
      }).default(8),
    )
    .addOption(new Option("--schedule <schedule>", "what runs together, as sarathi:budget=256").env("QUIRE_SCHEDULE"))
    .addOption(
      new Option("--tbt-target <ms>", "choose the passes so that answers get a token at least so often")
        .argParser(milliseconds)
        .env("QUIRE_TBT_TARGET")
        .conflicts("schedule"),
    )
    .addOption(number("--cache-memory <mb>", "most memory of all caches together, in MB", undefined, { least: 1 }))
    .addOption(new Option("--no-prefix-sharing", "compute what prompts have in common each time"))
    .addOption(
      number("--queue-size <n>", "requests that may wait; more get 429", undefined, { least: 0, whole: true }).default(
        256,
      ),
    )
    .addOption(
      number("--max-tokens <n>", "of an answer, where a request does not say", "QUIRE_MAX_TOKENS", {
        least: 1,
        whole: true,
      }).default(2048),
    )
    .addOption(number("--max-body <mb>", "largest request, in MB", undefined, { least: 0.001 }).default(16))
    .addOption(number("--max-upload <mb>", "largest upload, in MB", undefined, { least: 0.001 }).default(64))
    .addOption(new Option("--data <folder>", "where uploads are kept (default: in the cache folder)"))
    .addOption(
      number("--drain <seconds>", "time for requests to finish when it ends", undefined, { least: 0 }).default(30),
    )
    .addOption(
      new Option(
        "--usage-privacy <settings>",
        "counts by tenant and document with noise, in place of exact figures, as epsilon=1,horizon=365d",
      ),
    )
    .addOption(
      new Option(
        "--queue <address>",
        "Redis or Valkey for jobs that `quire worker` does, as redis://127.0.0.1:6379",
      ).env("QUIRE_QUEUE"),
    )
    .addOption(new Option("--echo", "no model: answers repeat the question, to test clients and measure the server"));
  examples(outputOptions(command), [
    "quire serve",
    "quire serve --corpus ./docs --model qwen3-1.7b",
    "quire serve --host 0.0.0.0 --keys keys.json",
    "quire serve --adapter law=./runs/law/adapter --adapter prose=./runs/prose/adapter",
    "quire serve --corpus ./docs --queue redis://127.0.0.1:6379",
    "quire serve --echo --port 0 --json",
  ]);
  command.action(start(run));
}

async function run(session: Session, flags: Flags): Promise<void> {
  const { startServer } = await import("../../server/start-server.js");
  const { parseUsagePrivacy } = await import("../../server/usage-privacy-setting.js");
  checkOrigins(flags.cors ?? []);
  if (flags.schedule !== undefined) await partOf("engine", flags.schedule);
  if (flags.queue !== undefined) {
    const { checkQueue } = await import("../../queue/redis-link.js");
    await checkQueue(flags.queue);
  }
  let seen = "";
  const server = await startServer({
    version: packageVersion(),
    engine: {
      model: flags.model,
      device: flags.device,
      threads: flags.threads,
      contextTokens: flags.context,
      cacheType: flags.cacheType as "f16" | "f32" | "q8_0" | undefined,
      products: flags.products as "as-stored" | "in-parts" | undefined,
      adapters: adaptersOf(flags),
      offline: isOffline(flags),
      embedder: flags.embedder,
      schedule: flags.tbtTarget === undefined ? flags.schedule : `sarathi:tbt-target=${flags.tbtTarget}`,
      maxSequences: flags.parallel,
      cacheMemoryBytes: flags.cacheMemory === undefined ? undefined : flags.cacheMemory * 1e6,
      prefixSharing: flags.prefixSharing,
    },
    corpora: flags.corpus,
    host: flags.host,
    port: flags.port,
    keysFile: flags.keys,
    cors: flags.cors,
    aliases: flags.alias,
    parallel: flags.parallel,
    queueSize: flags.queueSize,
    defaultMaxTokens: flags.maxTokens,
    maxBodyBytes: flags.maxBody * 1e6,
    maxUploadBytes: flags.maxUpload * 1e6,
    dataFolder: flags.data,
    usagePrivacy: flags.usagePrivacy === undefined ? undefined : parseUsagePrivacy(flags.usagePrivacy),
    echo: flags.echo,
    jobQueue: flags.queue,
    pageFolder: path.join(packageRoot, "dist", "web"),
    signal: session.signal,
    onProgress: (progress) => showOpening(session, progress),
    onNotice: (notice) => {
      if (notice !== seen) session.warn(notice);
      seen = notice;
    },
    onState: (state, reason) => {
      if (reason !== undefined) session.warn(`The engine ended (${reason}); it is started again.`);
      else if (state === "ready") session.hint("The engine is back.");
    },
  });
  session.progress.clear();
  const { info } = server.service.engine;
  if (session.json) {
    session.result({
      url: server.url,
      model: info.model,
      device: info.device,
      threads: info.threads,
      pid: process.pid,
    });
  } else {
    session.line(`${session.style.bold(server.url)}  ${info.model} on ${info.device}, ${info.threads} threads`);
    session.line(session.style.dim(`OpenAI clients: ${server.url}/v1   Ctrl-C ends it.`));
    session.hint(`Requests up to ${bytes(flags.maxBody * 1e6)}, uploads up to ${bytes(flags.maxUpload * 1e6)}.`);
  }
  await stopped(session.signal);
  session.hint("Finishing what runs; Ctrl-C again ends at once.");
  await server.stop(flags.drain * 1000);
}

/** "50" and "50ms". */
function milliseconds(text: string): number {
  const [, value] = /^(\d+(?:\.\d+)?)(?:ms)?$/.exec(text.trim()) ?? [];
  if (value !== undefined && Number(value) > 0) return Number(value);
  throw new QuireError("bad-option", `"${text}" cannot be used for --tbt-target.`, {
    got: text,
    expected: "milliseconds, as 50 or 50ms",
  });
}

function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function checkOrigins(origins: readonly string[]): void {
  for (const origin of origins) {
    if (origin === "*" || (URL.canParse(origin) && new URL(origin).origin === origin)) continue;
    throw new QuireError("bad-option", `"${origin}" is not an origin.`, {
      got: origin,
      expected: "a scheme and a host, as https://app.example, without a path",
    });
  }
}
