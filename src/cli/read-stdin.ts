import { QuireError, throwIfAborted } from "../errors.js";

/** All of standard input as text. */
export async function readStdin(signal: AbortSignal): Promise<string> {
  const parts: Buffer[] = [];
  const stop = (): void => void process.stdin.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const part of process.stdin) parts.push(part as Buffer);
  } catch (cause) {
    throwIfAborted(signal);
    throw new QuireError("bad-input", "Standard input cannot be read.", { cause });
  } finally {
    signal.removeEventListener("abort", stop);
  }
  throwIfAborted(signal);
  return Buffer.concat(parts).toString("utf8");
}
