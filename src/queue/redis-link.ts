import { Redis } from "ioredis";
import { QuireError } from "../errors.js";

/** The connection to Redis or Valkey, and what to say when there is none. */

/** A queue's keys all begin with it, so that it can share a database. */
export const keyPrefix = "quire";

export interface LinkOptions {
  /** A worker waits for a lost connection to come back; whoever asks is told at once. */
  readonly patient: boolean;
  readonly connectTimeoutMs?: number;
}

/** Checks first that the queue can be reached, whatever the patience later. */
export async function openRedis(address: string, { patient, connectTimeoutMs = 5000 }: LinkOptions): Promise<Redis> {
  const url = checkedAddress(address);
  let refused: unknown;
  const probe = new Redis(url, { lazyConnect: true, connectTimeout: connectTimeoutMs, retryStrategy: () => null });
  probe.on("error", (error) => {
    refused ??= error;
  });
  try {
    await probe.connect();
    await probe.ping();
  } catch (error) {
    throw unreachable(address, refused ?? error);
  } finally {
    probe.disconnect();
  }
  const redis = new Redis(url, {
    maxRetriesPerRequest: patient ? null : 1,
    connectTimeout: connectTimeoutMs,
    retryStrategy: (times) => Math.min(100 * 2 ** Math.min(times, 10), patient ? 5000 : 1000),
  });
  // Without a listener a lost connection would end the process.
  redis.on("error", () => {});
  return redis;
}

export function unreachable(address: string, cause: unknown): QuireError {
  const shown = withoutPassword(address);
  const said = cause instanceof Error ? (cause as NodeJS.ErrnoException).code || cause.message : String(cause);
  return new QuireError("network", `The queue at ${shown} cannot be reached (${said}).`, {
    got: shown,
    expected: "a running Redis or Valkey",
    fix: "Start it, or check the address and the password.",
    cause,
  });
}

export function withoutPassword(address: string): string {
  return address.replace(/\/\/([^@/]*)@/, "//");
}

function checkedAddress(address: string): string {
  if (/^rediss?:\/\//.test(address) && URL.canParse(address)) return address;
  throw new QuireError("bad-option", `"${withoutPassword(address)}" is not the address of a queue.`, {
    got: withoutPassword(address),
    expected: "an address such as redis://127.0.0.1:6379, or rediss:// with TLS",
  });
}
