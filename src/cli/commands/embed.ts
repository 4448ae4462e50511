import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { QuireError } from "../../errors.js";
import { oneLine, table } from "../layout.js";
import { showOpening } from "../open-model.js";
import { examples, isOffline, number, offline, outputOptions } from "../options.js";
import { readStdin } from "../read-stdin.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire embed`: one vector a text. On a terminal a glance at them; in a pipe one JSON list a line. */

interface Flags {
  readonly file?: string;
  readonly embedder?: string;
  readonly threads?: number;
  readonly device?: string;
  readonly offline?: boolean;
}

const compared = 12;

export function define(command: Command): void {
  command
    .description("Turns texts into vectors of unit length. In a pipe every vector is a JSON list on a line of its own.")
    .argument("[text...]", "the texts")
    .addOption(new Option("--file <path>", 'a text on every line; "-" reads standard input'))
    .addOption(new Option("--embedder <name>", "embedding model by name or path").env("QUIRE_EMBEDDER"))
    .addOption(number("--threads <n>", "compute threads", "QUIRE_THREADS", { least: 1, whole: true }))
    .addOption(new Option("--device <name>", "auto, cpu, or a device `quire doctor` lists").env("QUIRE_DEVICE"))
    .addOption(offline());
  examples(outputOptions(command), [
    'quire embed "a cat sat" "a kitten rested"',
    "quire embed --file sentences.txt > vectors.jsonl",
    'quire embed "hello" --embedder bge-small-en-v1.5 --json',
  ]);
  command.action(start(run));
}

async function run(session: Session, given: string[], flags: Flags): Promise<void> {
  const texts = flags.file === undefined ? given : [...given, ...(await linesOf(flags.file, session.signal))];
  if (texts.length === 0) {
    throw new QuireError("bad-input", "There is nothing to embed.", {
      expected: "texts as arguments, or --file with a text on every line",
      fix: 'Try: quire embed "a text"',
    });
  }
  const { resolveModel } = await import("../../weights/resolve-model.js");
  const { Embedder } = await import("../../engine/embedder.js");
  const { defaultEmbedder } = await import("../../corpus-session.js");
  const { signal } = session;
  const resolved = await resolveModel(flags.embedder ?? defaultEmbedder, {
    signal,
    offline: isOffline(flags),
    onProgress: ({ file, receivedBytes, totalBytes }) =>
      showOpening(session, { phase: "download", name: file, done: receivedBytes, total: totalBytes }),
  });
  const embedder = await Embedder.open(resolved.path, {
    signal,
    threads: flags.threads,
    device: flags.device ?? "cpu",
  });
  try {
    const { vectors, tokens, truncated } = await embedder.embedAll(texts, {
      signal,
      onProgress: ({ texts: done, totalTexts }) =>
        session.progress.show({ phase: "Embedding", done, total: totalTexts, unit: "texts" }),
    });
    session.progress.clear();
    if (truncated.length > 0) {
      session.warn(`Of ${truncated.length} texts only the first ${embedder.maxTokens} tokens were looked at.`);
    }
    if (session.json) {
      const { dimensions } = embedder;
      session.result({
        model: resolved.name,
        dimensions,
        vectors: vectors.map((vector) => [...vector]),
        tokens,
        truncated,
      });
    } else if (session.interactive) glance(session, texts, vectors);
    else for (const vector of vectors) session.line(JSON.stringify([...vector]));
  } finally {
    await embedder.close();
  }
}

async function linesOf(file: string, signal: AbortSignal): Promise<string[]> {
  const text =
    file === "-"
      ? await readStdin(signal)
      : await readFile(file, "utf8").catch((cause: unknown) => {
          throw new QuireError("not-found", `${file} cannot be read.`, {
            got: file,
            expected: "a readable file",
            cause,
          });
        });
  return text.split(/\r?\n/).filter((line) => line.trim() !== "");
}

function glance(session: Session, texts: readonly string[], vectors: readonly Float32Array[]): void {
  const { style } = session;
  for (const [i, vector] of vectors.entries()) {
    const first = [...vector.slice(0, 4)].map((value) => value.toFixed(4).padStart(7)).join(" ");
    const shown = oneLine(texts[i] ?? "", Math.max(10, session.columns - 62));
    session.line(`${style.cyan(`[${i + 1}]`)} ${vector.length} numbers: ${first} …  ${style.dim(shown)}`);
  }
  if (vectors.length < 2 || vectors.length > compared) return;
  session.line();
  session.line(style.dim("How alike (cosine):"));
  const head = ["", ...vectors.map((_, i) => `[${i + 1}]`)];
  const rows = vectors.map((one, i) => [`[${i + 1}]`, ...vectors.map((other) => dot(one, other).toFixed(2))]);
  for (const line of table([head, ...rows], head.map((_, i) => i).slice(1))) session.line(line);
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}
