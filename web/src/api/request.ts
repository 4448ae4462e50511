import { preferences } from "../settings/preferences.js";

/** Requests to the server: the key is added, and every failure becomes an ApiError with words that can be shown. */

export class ApiError extends Error {
  readonly status: number;
  readonly code: string | undefined;
  readonly retryAfter: number | undefined;

  constructor(message: string, status: number, code?: string, retryAfter?: number) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** Fired when the server asks for a key or refuses the one it got. */
export const keyWanted = new EventTarget();

export interface RequestOptions {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  readonly accept?: string;
}

export function authorisation(): Record<string, string> {
  const { key } = preferences.get();
  return key === "" ? {} : { authorization: `Bearer ${key}` };
}

export async function request(path: string, options: RequestOptions = {}): Promise<Response> {
  const headers: Record<string, string> = { accept: options.accept ?? "application/json", ...authorisation() };
  if (options.body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      method: options.method ?? "GET",
      headers,
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError("The server does not answer. It may have stopped, or the network is gone.", 0, "unreachable");
  }
  if (!response.ok) throw await failure(response);
  return response;
}

export async function getJson<Body>(path: string, signal?: AbortSignal): Promise<Body> {
  return (await (await request(path, { signal })).json()) as Body;
}

export async function postJson<Body>(path: string, body: unknown, signal?: AbortSignal): Promise<Body> {
  return (await (await request(path, { method: "POST", body, signal })).json()) as Body;
}

export async function remove(path: string): Promise<void> {
  await request(path, { method: "DELETE" });
}

async function failure(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => "");
  const error = errorFrom(text, response.status, Number(response.headers.get("retry-after") ?? Number.NaN));
  if (response.status === 401) keyWanted.dispatchEvent(new Event("wanted"));
  return error;
}

/** The error of an answer's body, in OpenAI's shape or any other. */
export function errorFrom(text: string, status: number, retryAfter = Number.NaN): ApiError {
  let message = "";
  let code: string | undefined;
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown; code?: unknown } };
    if (typeof error?.message === "string") message = error.message;
    if (typeof error?.code === "string") code = error.code;
  } catch {
    // Not JSON, as from a proxy in between: the status has to do.
  }
  const wait = Number.isFinite(retryAfter) ? retryAfter : undefined;
  return new ApiError(
    message === "" ? (plain[status] ?? `The server answered ${status}.`) : message,
    status,
    code,
    wait,
  );
}

const plain: Record<number, string> = {
  401: "The server asks for a key.",
  404: "The server does not know this address; it may be older than this page.",
  413: "That is more than the server takes at once.",
  429: "The server is busy. Try again in a moment.",
  502: "A proxy in between got no answer from the server.",
  503: "The engine is starting again. Try again in a moment.",
};

/** An error of any kind as words for the page. */
export function explain(error: unknown): string {
  if (error instanceof Error && error.message !== "") return error.message;
  return "Something went wrong, and no reason was given.";
}
