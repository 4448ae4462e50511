import { isQuireError, QuireError } from "../errors.js";

/** One HTTP request to an OpenAI-compatible endpoint: tried again after 429, 408, 5xx and broken connections, with growing waits
 *  that honour Retry-After; everything else becomes a typed error at once. */

export interface EndpointConnection {
  /** Without a closing slash, e.g. http://127.0.0.1:8000/v1 */
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Attempts after the first; default 4. */
  readonly retries?: number;
  /** First wait in milliseconds, doubled each time up to a minute; default 500. */
  readonly retryDelayMs?: number;
  /** Longest silence of the server before it counts as gone; default five minutes. */
  readonly silenceMs?: number;
}

export interface EndpointResponse {
  readonly response: Response;
  /** Must be called for every piece that arrives, or else the silence limit cuts the connection. */
  heard(): void;
  /** Lets go of timer and listener; the connection is cut if the body was not read to its end. */
  close(): void;
}

const longestWaitMs = 60_000;

export async function requestEndpoint(
  connection: EndpointConnection,
  path: string,
  body: object | undefined,
  signal: AbortSignal | undefined,
): Promise<EndpointResponse> {
  const { retries = 4, retryDelayMs = 500 } = connection;
  for (let attempt = 0; ; attempt++) {
    const outcome = await once(connection, path, body, signal);
    if (!(outcome instanceof Failure)) return outcome;
    if (!outcome.again || attempt >= retries) throw outcome.error;
    const backoff = Math.min(longestWaitMs, retryDelayMs * 2 ** attempt) * (0.75 + Math.random() / 2);
    await wait(outcome.waitMs ?? backoff, signal);
  }
}

class Failure {
  constructor(
    readonly error: QuireError,
    readonly again: boolean,
    readonly waitMs?: number,
  ) {}
}

async function once(
  connection: EndpointConnection,
  path: string,
  body: object | undefined,
  signal: AbortSignal | undefined,
): Promise<EndpointResponse | Failure> {
  const { baseUrl, apiKey, headers = {}, silenceMs = 300_000 } = connection;
  throwStopped(signal);
  const url = `${baseUrl}${path}`;
  const cut = new AbortController();
  const forward = () => cut.abort(signal?.reason);
  signal?.addEventListener("abort", forward, { once: true });
  let timer: NodeJS.Timeout | undefined;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => cut.abort(silent(url, silenceMs)), silenceMs);
  };
  const close = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", forward);
    cut.abort();
  };
  heard();
  try {
    const response = await fetch(url, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: cut.signal,
    });
    if (response.ok) return { response, heard, close };
    const text = await response.text().catch(() => "");
    close();
    return refusal(response, text, url);
  } catch (cause) {
    const reason = cut.signal.reason as unknown;
    close();
    throwStopped(signal);
    return new Failure(isQuireError(reason) ? reason : brokenConnection(url, cause), true);
  }
}

/** What a connection that broke in the middle is, seen from the reader of the body. */
export function brokenConnection(url: string, cause: unknown): QuireError {
  if (isQuireError(cause)) return cause;
  const inner = (cause as { cause?: { code?: string; message?: string } }).cause;
  return new QuireError("network", `No answer from ${url}: ${inner?.code ?? inner?.message ?? String(cause)}.`, {
    got: inner?.code,
    expected: "an OpenAI-compatible endpoint",
    fix: "Check that the server runs and that the base URL is right (it usually ends in /v1).",
    cause,
  });
}

function silent(url: string, silenceMs: number): QuireError {
  return new QuireError("network", `${url} was silent for ${silenceMs / 1000} s.`, { got: silenceMs });
}

function refusal(response: Response, text: string, url: string): Failure {
  const { status } = response;
  const { message, code } = readError(text);
  const said = message === "" ? `status ${status}` : `status ${status}: ${message}`;
  const got = { status, code, message };
  const make = (errorCode: QuireError["code"], what: string, fix?: string) =>
    new QuireError(errorCode, what, { got, fix });
  if (status === 401 || status === 403) {
    const fix = "Set OPENAI_API_KEY, or give the key as an option.";
    return new Failure(make("bad-option", `${url} refused the key (${said}).`, fix), false);
  }
  if (isOverflow(code, message)) {
    return new Failure(make("context-overflow", `The prompt is longer than the endpoint's window (${said}).`), false);
  }
  if (status === 404) {
    const fix = "Check the base URL (it usually ends in /v1) and the model's name.";
    return new Failure(make("not-found", `${url} was not found (${said}).`, fix), false);
  }
  const spent = code === "insufficient_quota";
  const again = !spent && (status === 429 || status === 408 || status === 409 || (status >= 500 && status !== 501));
  if (again || status === 429 || status >= 500) {
    return new Failure(make("network", `${url} failed with ${said}.`), again, retryAfterMs(response.headers));
  }
  return new Failure(make("bad-input", `${url} refused the request (${said}).`), false);
}

function readError(text: string): { message: string; code: string } {
  try {
    const body = JSON.parse(text) as Record<string, unknown>;
    const inner = body["error"];
    const error = typeof inner === "object" && inner !== null ? (inner as Record<string, unknown>) : body;
    const message = error["message"] ?? body["detail"] ?? (typeof inner === "string" ? inner : "");
    const code = error["code"] ?? error["type"] ?? "";
    return { message: typeof message === "string" ? message : JSON.stringify(message), code: String(code) };
  } catch {
    return { message: text.trim().slice(0, 300), code: "" };
  }
}

function isOverflow(code: string, message: string): boolean {
  return (
    /context_length_exceeded|exceed_context_size/.test(code) ||
    /maximum context length|context (length|window|size)|too many tokens|prompt is too long/i.test(message)
  );
}

function retryAfterMs(headers: Headers): number | undefined {
  const ms = Number.parseFloat(headers.get("retry-after-ms") ?? "");
  const asked = Number.isFinite(ms) ? ms : retryAfter(headers.get("retry-after"));
  return asked === undefined ? undefined : Math.min(longestWaitMs, Math.max(0, asked));
}

function retryAfter(value: string | null): number | undefined {
  if (value === null) return;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return seconds * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : date - Date.now();
}

export function throwStopped(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  const reason = signal.reason as unknown;
  throw isQuireError(reason) ? reason : new QuireError("cancelled", "Stopped on request.", { cause: reason });
}

function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      try {
        throwStopped(signal);
      } catch (error) {
        reject(error);
      }
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
