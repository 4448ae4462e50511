import { Redis } from "ioredis";
import { QuireError } from "../errors.js";

/** The connection to Redis or Valkey, and what to say when there is none. */

/** A queue's keys all begin with it, so that it can share a database. */
export const keyPrefix = "quire";

const usualTimeoutMs = 5000;

export interface LinkOptions {
  /** A worker waits for a lost connection to come back; whoever asks is told at once. */
  readonly patient: boolean;
  readonly connectTimeoutMs?: number;
}

/** Fails where the queue cannot be reached, whatever the patience later. */
export async function openRedis(
  address: string,
  { patient, connectTimeoutMs = usualTimeoutMs }: LinkOptions,
): Promise<Redis> {
  await checkQueue(address, connectTimeoutMs);
  const redis = new Redis(address, {
    maxRetriesPerRequest: patient ? null : 1,
    connectTimeout: connectTimeoutMs,
    retryStrategy: (times) => Math.min(100 * 2 ** Math.min(times, 10), patient ? 5000 : 1000),
  });
  // Without a listener a lost connection would end the process.
  redis.on("error", () => {});
  return redis;
}

export async function checkQueue(address: string, connectTimeout = usualTimeoutMs): Promise<void> {
  const url = checkedAddress(address);
  let refused: unknown;
  const probe = new Redis(url, { lazyConnect: true, connectTimeout, retryStrategy: () => null });
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
