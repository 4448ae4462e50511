import { QuireError, throwIfAborted } from "../errors.js";

/** One GET, redirects followed by hand: the headers of the first answer say what a hub promises of the file, the last answer
 *  carries it, and a token goes to no other host than the one it was meant for. */

export interface Opened {
  readonly status: number;
  readonly headers: Headers;
  /** The pieces of the body; throws `Interrupted` when the connection breaks or goes silent. */
  readonly body: AsyncIterable<Uint8Array>;
  /** What the hub says of the file itself: its SHA-256 (or Git's SHA-1 of a small file), its size. */
  readonly promised: { readonly sha256?: string; readonly gitSha1?: string; readonly sizeBytes?: number };
  cancel(): void;
}

/** The network failed in a way that may pass: worth another try. */
export class Interrupted extends Error {
  constructor(
    message: string,
    readonly details: { cause?: unknown; answered: boolean; waitMs?: number },
  ) {
    super(message, { cause: details.cause });
  }
}

export interface OpenOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: "GET" | "HEAD";
  readonly signal?: AbortSignal;
  /** How long to wait for an answer, and for each further piece. */
  readonly silenceMs?: number;
}

const mostRedirects = 10;

export async function openUrl(url: string, options: OpenOptions = {}): Promise<Opened> {
  const { signal, silenceMs = 30_000, method = "GET" } = options;
  const controller = new AbortController();
  const stop = () => controller.abort(signal?.reason);
  signal?.addEventListener("abort", stop, { once: true });
  const free = () => signal?.removeEventListener("abort", stop);
  const watch = watchSilence(controller, silenceMs);
  let promised: Opened["promised"] = {};
  let headers = options.headers;
  let at = parse(url);
  try {
    for (let hop = 0; hop <= mostRedirects; hop++) {
      throwIfAborted(signal);
      const response = await fetch(at, {
        method,
        redirect: "manual",
        signal: controller.signal,
        headers: { "accept-encoding": "identity", ...headers },
      });
      promised = { ...readPromise(response.headers), ...promised };
      const next = response.status >= 300 && response.status < 400 ? response.headers.get("location") : null;
      if (next === null) {
        const body = pieces(response, { watch, free, signal, host: at.host });
        return {
          status: response.status,
          headers: response.headers,
          promised,
          body,
          cancel() {
            watch.stop();
            controller.abort();
            free();
          },
        };
      }
      await response.body?.cancel();
      const target = parse(next, at);
      if (at.protocol === "https:" && target.protocol !== "https:") {
        throw new QuireError("network", `${at.host} redirects to an unencrypted address.`, { got: target.origin });
      }
      if (target.host !== at.host) headers = without(headers, "authorization");
      at = target;
    }
    throw new QuireError("network", `${at.host} redirects without end.`, {
      expected: `at most ${mostRedirects} redirects`,
    });
  } catch (error) {
    watch.stop();
    free();
    throw asInterruption(error, { signal, host: at.host, answered: false });
  }
}

function parse(url: string, base?: URL): URL {
  if (!URL.canParse(url, base?.href)) throw new QuireError("bad-option", "This is not a usable address.", { got: url });
  const parsed = new URL(url, base);
  if (parsed.protocol === "https:" || parsed.protocol === "http:") return parsed;
  throw new QuireError("bad-option", "Only http and https addresses can be fetched.", { got: parsed.protocol });
}

function readPromise(headers: Headers): Opened["promised"] {
  const tag = headers.get("x-linked-etag")?.replace(/^W\/|"/g, "");
  const etag = headers.get("etag")?.replace(/^W\/|"/g, "");
  const size = headers.get("x-linked-size");
  // Git's own hash of a small file is a promise only where a hub says so, by a header of its own or the commit beside it.
  const git = tag ?? (headers.has("x-repo-commit") ? etag : undefined);
  return {
    ...(tag !== undefined && /^[0-9a-f]{64}$/.test(tag)
      ? { sha256: tag }
      : git !== undefined && /^[0-9a-f]{40}$/.test(git)
        ? { gitSha1: git }
        : {}),
    ...(size !== null && /^\d+$/.test(size) ? { sizeBytes: Number(size) } : {}),
  };
}

function without(headers: OpenOptions["headers"], name: string): OpenOptions["headers"] {
  return Object.fromEntries(Object.entries(headers ?? {}).filter(([key]) => key.toLowerCase() !== name));
}

interface Watch {
  heard(): void;
  stop(): void;
}

const silent = new Error("no answer in time");

function watchSilence(controller: AbortController, silenceMs: number): Watch {
  let timer = setTimeout(() => controller.abort(silent), silenceMs);
  return {
    heard() {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(silent), silenceMs);
    },
    stop: () => clearTimeout(timer),
  };
}

interface Reading {
  readonly watch: Watch;
  readonly free: () => void;
  readonly signal: AbortSignal | undefined;
  readonly host: string;
}

async function* pieces(response: Response, { watch, free, signal, host }: Reading): AsyncIterable<Uint8Array> {
  try {
    watch.heard();
    for await (const piece of response.body ?? []) {
      watch.heard();
      yield piece;
    }
  } catch (error) {
    throw asInterruption(error, { signal, host, answered: true });
  } finally {
    watch.stop();
    free();
  }
}

function asInterruption(
  error: unknown,
  about: { signal: AbortSignal | undefined; host: string; answered: boolean },
): unknown {
  throwIfAborted(about.signal);
  if (error instanceof QuireError || error instanceof Interrupted) return error;
  const cause = (error as { cause?: unknown }).cause ?? error;
  const code = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
  const text = about.answered ? `the connection to ${about.host} broke` : `${about.host} cannot be reached`;
  return new Interrupted(`${text} (${code})`, { cause: error, answered: about.answered });
}
