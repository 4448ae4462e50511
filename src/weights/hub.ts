import { join } from "node:path";
import { isQuireError, QuireError } from "../errors.js";
import type { InstalledFile } from "./cache-folder.js";
import { downloadFile } from "./download.js";
import type { FetchOptions } from "./fetch-options.js";
import { openUrl } from "./http-open.js";
import type { HubSource } from "./model-source.js";

/** Files of a Hugging Face repository by their plain addresses. `HF_ENDPOINT` names a mirror, `HF_TOKEN` opens gated models. */

export function hubEndpoint(): string {
  return (process.env["HF_ENDPOINT"] || "https://huggingface.co").replace(/\/+$/, "");
}

export function hubHeaders(): Record<string, string> {
  const token = process.env["HF_TOKEN"]?.trim();
  return token ? { authorization: `Bearer ${token}` } : {};
}

export function hubUrl(repo: string, revision: string, path: string): string {
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  return `${hubEndpoint()}/${repo}/resolve/${encodeURIComponent(revision)}/${encoded}`;
}

/** Whether the hub answers at all, asked once and for a few seconds. */
export async function hubReachable({
  signal,
  waitMs = 4000,
}: {
  signal?: AbortSignal;
  waitMs?: number;
} = {}): Promise<boolean> {
  try {
    const opened = await openUrl(hubEndpoint(), { method: "HEAD", silenceMs: waitMs, signal });
    opened.cancel();
    return opened.status < 500;
  } catch (error) {
    if (isQuireError(error) && error.code === "cancelled") throw error;
    return false;
  }
}

export async function fetchFromHub(source: HubSource, folder: string, options: FetchOptions): Promise<InstalledFile[]> {
  const files: InstalledFile[] = [];
  for (const file of source.files) {
    const { sha256, sizeBytes } = file;
    const expected = sha256 === undefined ? {} : { sha256, sizeBytes };
    try {
      const url = hubUrl(source.repo, source.revision, file.path);
      const done = await downloadFile(url, join(folder, file.path), { ...options, ...expected, headers: hubHeaders() });
      files.push({ path: file.path, sizeBytes: done.sizeBytes, sha256: done.sha256, verifiedBy: done.verifiedBy });
    } catch (error) {
      if (!file.optional || !isQuireError(error) || error.code !== "not-found") throw error;
    }
  }
  return files;
}

const companions = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "modules.json",
  "1_Pooling/config.json",
];

/** "hf:org/repo/file.gguf", with "@revision" behind the repository where one is wanted. */
export function parseHubName(name: string): HubSource {
  const match = /^hf:([\w.-]+\/[\w.-]+)(?:@([\w.-]+))?\/((?:[\w.+-]+\/)*[\w.+-]+\.(?:gguf|safetensors))$/.exec(name);
  const [, repo, revision = "main", path] = match ?? [];
  if (repo === undefined || path === undefined || /(^|\/)\.+(\/|$)/.test(`${repo}/${path}`)) {
    throw new QuireError("bad-option", `"${name}" does not name a file of a hub repository.`, {
      got: name,
      expected: "hf:org/repo/file.gguf or hf:org/repo@revision/file.gguf",
      fix: "Copy the file's name from the Files page of the repository.",
    });
  }
  const unknown = { sizeBytes: 0 };
  if (path.endsWith(".gguf")) {
    return {
      kind: "hub",
      repo,
      revision,
      main: path,
      files: shardsOf(path).map((shard) => ({ path: shard, ...unknown })),
    };
  }
  const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/") + 1) : "";
  const optional = companions.map((companion) => ({ path: folder + companion, ...unknown, optional: true }));
  const files = [{ path: `${folder}config.json`, ...unknown }, ...optional, { path, ...unknown }];
  return { kind: "hub", repo, revision, main: path, files };
}

function shardsOf(path: string): string[] {
  const match = /^(.*)-\d{5}-of-(\d{5})\.gguf$/.exec(path);
  const count = Number(match?.[2] ?? 0);
  if (!match || count < 1 || count > 1000) return [path];
  return Array.from({ length: count }, (_, i) => `${match[1]}-${String(i + 1).padStart(5, "0")}-of-${match[2]}.gguf`);
}
