import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { z } from "zod";
import { QuireError } from "../../errors.js";
import { writeAtomically } from "../../weights/atomic-file.js";
import { ApiError } from "../http/api-error.js";
import { TokenBucket } from "./token-bucket.js";

/** API keys. The file holds their SHA-256 only: a key has 256 random bits, so nothing slower is needed. A key taken out of the file
 *  stops working within a second. */

const keyEntry = z.object({
  name: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  created_at: z.string(),
  requests_per_minute: z.int().min(1).optional(),
});
const keyFile = z.object({ version: z.literal(1), keys: z.array(keyEntry) });

export type KeyEntry = z.output<typeof keyEntry>;

const lookAgainMs = 1000;

export class KeyRing {
  readonly #path: string;
  #byHash = new Map<string, KeyEntry>();
  readonly #buckets = new Map<string, TokenBucket>();
  #stamp = "";
  #lookedAt = 0;

  constructor(path: string) {
    this.#path = path;
    this.#read();
    this.#lookedAt = Date.now();
  }

  get size(): number {
    return this.#byHash.size;
  }

  get names(): string[] {
    return [...this.#byHash.values()].map(({ name }) => name);
  }

  /** The name of a key; undefined for one that is not known. */
  nameOf(key: string): string | undefined {
    this.#refresh();
    return this.#byHash.get(hashOf(key))?.name;
  }

  /** Throws 429 where the key has made its requests of this minute. */
  spend(name: string): void {
    const entry = [...this.#byHash.values()].find((one) => one.name === name);
    if (entry?.requests_per_minute === undefined) return;
    let bucket = this.#buckets.get(name);
    if (bucket === undefined || bucket.perMinute !== entry.requests_per_minute) {
      bucket = new TokenBucket(entry.requests_per_minute);
      this.#buckets.set(name, bucket);
    }
    const seconds = bucket.take();
    if (seconds === 0) return;
    throw new ApiError(429, `This key may make ${entry.requests_per_minute} requests a minute.`, {
      code: "rate_limit_exceeded",
      headers: { "retry-after": String(seconds) },
    });
  }

  #refresh(): void {
    if (Date.now() - this.#lookedAt < lookAgainMs) return;
    this.#lookedAt = Date.now();
    try {
      this.#read();
    } catch {
      // Half-written or gone: the keys that were known stay until it can be read again.
    }
  }

  #read(): void {
    const { mtimeMs, size, ino } = statOf(this.#path);
    const stamp = `${mtimeMs}:${size}:${ino}`;
    if (stamp === this.#stamp) return;
    this.#byHash = new Map(readKeys(this.#path).map((entry) => [entry.sha256, entry]));
    this.#stamp = stamp;
  }
}

function statOf(path: string) {
  try {
    return statSync(path);
  } catch (cause) {
    throw new QuireError("not-found", `There is no key file ${path}.`, {
      got: path,
      fix: `Make one: quire keys add NAME --keys ${path}`,
      cause,
    });
  }
}

export function readKeys(path: string): KeyEntry[] {
  if (!existsSync(path)) return [];
  try {
    return keyFile.parse(JSON.parse(readFileSync(path, "utf8"))).keys;
  } catch (cause) {
    throw new QuireError("bad-file", `${path} is not a key file.`, {
      expected: "what `quire keys add` writes",
      fix: "Correct it, or move it away and make new keys.",
      cause,
    });
  }
}

/** Makes a key; this is the only time it can be seen. */
export async function addKey(path: string, name: string, requestsPerMinute?: number): Promise<string> {
  if (!/^[\w.@-]{1,64}$/.test(name)) {
    throw new QuireError("bad-option", `"${name}" cannot name a key.`, {
      got: name,
      expected: "1 to 64 letters, digits, and . _ @ -",
    });
  }
  const keys = readKeys(path);
  if (keys.some((entry) => entry.name === name)) {
    throw new QuireError("bad-option", `There is a key called ${name} already.`, {
      got: name,
      fix: "Choose another name, or remove that key first.",
    });
  }
  const key = `sk-quire-${randomBytes(32).toString("base64url")}`;
  const entry = { name, sha256: hashOf(key), created_at: new Date().toISOString() };
  await writeKeys(path, [
    ...keys,
    requestsPerMinute === undefined ? entry : { ...entry, requests_per_minute: requestsPerMinute },
  ]);
  return key;
}

export async function removeKey(path: string, name: string): Promise<void> {
  const keys = readKeys(path);
  const kept = keys.filter((entry) => entry.name !== name);
  if (kept.length === keys.length) {
    throw new QuireError("not-found", `There is no key called ${name}.`, {
      got: name,
      expected: keys.map((entry) => entry.name).join(", ") || "there are none",
    });
  }
  await writeKeys(path, kept);
}

async function writeKeys(path: string, keys: readonly KeyEntry[]): Promise<void> {
  const text = `${JSON.stringify({ version: 1, keys }, undefined, 2)}\n`;
  await writeAtomically(path, (file) => file.write(Buffer.from(text)));
}

function hashOf(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}
