import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { QuireError } from "../errors.js";
import type { Generation, GenerationRequest } from "./language-model.js";

/** Calls that were made, by what was asked: a run that is started again with the same log makes none of them twice. */
export interface ReplayLog {
  get(key: string): Generation | undefined;
  put(key: string, generation: Generation): Promise<void>;
  readonly size: number;
  close(): Promise<void>;
}

/** Key of a call: everything that decides its answer. */
export function replayKey(modelId: string, request: Omit<GenerationRequest, "signal" | "onText">): string {
  const asked = [
    modelId,
    request.messages.map(({ role, content }) => [role, content]),
    request.maxTokens,
    request.temperature ?? 0,
    request.seed ?? null,
    request.stop ?? [],
    request.schema ?? null,
  ];
  return createHash("sha256").update(JSON.stringify(asked)).digest("hex");
}

export function memoryReplayLog(): ReplayLog {
  const calls = new Map<string, Generation>();
  return {
    get: (key) => calls.get(key),
    put: async (key, generation) => void calls.set(key, generation),
    get size() {
      return calls.size;
    },
    close: async () => {},
  };
}

/** One JSON line a call, written as soon as the call is done. A last line that was cut off by a crash is left out. */
export async function openReplayLog(path: string): Promise<ReplayLog> {
  const { calls, endsInLine } = await readCalls(path);
  const file = await openForAppend(path);
  let writing = Promise.resolve();
  if (!endsInLine) writing = file.appendFile("\n");
  return {
    get: (key) => calls.get(key),
    put(key, generation) {
      calls.set(key, generation);
      const line = `${JSON.stringify({ key, ...generation })}\n`;
      const written = writing.then(() => file.appendFile(line));
      // A failed write is reported to whoever put the line, and does not fail the lines after it.
      writing = written.catch(() => {});
      return written.catch((cause) => {
        throw new QuireError("disk", `Could not write the replay log ${path}.`, { got: path, cause });
      });
    },
    get size() {
      return calls.size;
    },
    async close() {
      await writing;
      await file.close();
    },
  };
}

async function readCalls(path: string): Promise<{ calls: Map<string, Generation>; endsInLine: boolean }> {
  const calls = new Map<string, Generation>();
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return { calls, endsInLine: true };
    throw new QuireError("bad-file", `Could not read the replay log ${path}.`, { got: path, cause });
  }
  const lines = text.split("\n");
  lines.forEach((line, index) => {
    if (line.trim() === "") return;
    const record = parseRecord(line);
    if (record !== undefined) calls.set(record.key, record.generation);
    else if (index === 0 && !line.startsWith('{"key"'.slice(0, line.length))) {
      throw new QuireError("bad-file", `${path} is not a replay log.`, {
        got: line.slice(0, 80),
        expected: "one JSON object a line with key, text, finishReason and usage",
        fix: "Name another file for the log.",
      });
    }
  });
  return { calls, endsInLine: text === "" || text.endsWith("\n") };
}

function parseRecord(line: string): { key: string; generation: Generation } | undefined {
  try {
    const record = JSON.parse(line) as Partial<Generation> & { key?: unknown };
    const { key, text, finishReason, usage } = record;
    if (typeof key !== "string" || typeof text !== "string" || typeof usage !== "object" || usage === null) return;
    const { promptTokens, cachedTokens, completionTokens, seconds } = usage;
    if (![promptTokens, cachedTokens, completionTokens, seconds].every(Number.isFinite)) return;
    if (finishReason !== "stop" && finishReason !== "length") return;
    return {
      key,
      generation: { text, finishReason, usage: { promptTokens, cachedTokens, completionTokens, seconds } },
    };
  } catch {
    return;
  }
}

async function openForAppend(path: string): Promise<FileHandle> {
  try {
    await mkdir(dirname(path), { recursive: true });
    return await open(path, "a");
  } catch (cause) {
    throw new QuireError("disk", `Could not open the replay log ${path} for writing.`, { got: path, cause });
  }
}
