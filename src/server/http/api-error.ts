import { z } from "zod";
import { type ErrorCode, isQuireError, type QuireError } from "../../errors.js";
import { EngineGone } from "../engine/engine-gone.js";

/** Errors as OpenAI's clients know them: a status, and `{"error": {message, type, param, code}}`. */

export type ErrorType =
  | "invalid_request_error"
  | "authentication_error"
  | "permission_error"
  | "not_found_error"
  | "rate_limit_error"
  | "server_error";

export interface ApiErrorDetails {
  readonly type?: ErrorType;
  readonly param?: string;
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly type: ErrorType;
  readonly param: string | null;
  readonly code: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, details: ApiErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.status = status;
    this.type = details.type ?? typeOf(status);
    this.param = details.param ?? null;
    this.code = details.code ?? null;
    this.headers = details.headers ?? {};
  }

  toJSON(): { error: { message: string; type: string; param: string | null; code: string | null } } {
    const { message, type, param, code } = this;
    return { error: { message, type, param, code } };
  }
}

function typeOf(status: number): ErrorType {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 404) return "not_found_error";
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

export function badRequest(message: string, param?: string, code = "invalid_value"): ApiError {
  return new ApiError(400, message, { param, code });
}

export function notFound(message: string, code = "not_found", param?: string): ApiError {
  return new ApiError(404, message, { code, param });
}

const known: Readonly<Record<ErrorCode, readonly [status: number, code: string]>> = {
  "bad-option": [400, "invalid_value"],
  "bad-input": [400, "invalid_value"],
  "bad-shape": [400, "invalid_value"],
  "bad-file": [400, "bad_file"],
  unsupported: [400, "unsupported"],
  "not-found": [404, "not_found"],
  "context-overflow": [400, "context_length_exceeded"],
  "budget-exceeded": [400, "budget_exceeded"],
  network: [502, "upstream_failed"],
  checksum: [502, "upstream_failed"],
  disk: [507, "storage_failed"],
  locked: [409, "locked"],
  cancelled: [499, "cancelled"],
  diverged: [500, "engine_failed"],
  native: [500, "engine_failed"],
};

/** Whatever was thrown, as an answer. What nobody foresaw says nothing of the inside. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof z.ZodError) return fromZod(error);
  if (error instanceof EngineGone) {
    const headers = { "retry-after": "2" };
    return new ApiError(503, sentence(error), { code: "engine_unavailable", headers, cause: error });
  }
  if (isQuireError(error)) {
    const [status, code] = known[error.code];
    const message = status >= 500 || error.code === "bad-file" ? withoutPaths(sentence(error)) : sentence(error);
    return new ApiError(status, message, { code, cause: error });
  }
  return new ApiError(500, "The server failed in a way that was not foreseen.", {
    code: "internal_error",
    cause: error,
  });
}

function sentence({ message, expected, fix }: QuireError): string {
  const wanted = expected === undefined ? "" : ` Expected: ${inWords(expected)}.`;
  return `${message}${wanted}${fix === undefined ? "" : ` ${fix}`}`;
}

function inWords(value: unknown): string {
  return typeof value === "string" ? value.replace(/\.$/, "") : (JSON.stringify(value) ?? String(value));
}

/** Where files lie on this machine is nobody's business outside it. */
export function withoutPaths(text: string): string {
  return text.replace(/(?<![\w/])(?:[A-Za-z]:)?(?:[\\/][\w.@+ -]+){2,}/g, "(a file of the server)");
}

function fromZod(error: z.ZodError): ApiError {
  const issue = deepest(error.issues[0]);
  const param = issue === undefined || issue.path.length === 0 ? undefined : paramOf(issue.path);
  const what = issue?.message ?? "The request cannot be used";
  return badRequest(`${param === undefined ? "" : `${param}: `}${what}.`.replace(/\.\.$/, "."), param);
}

/** Of a union the branch that came furthest says most. */
function deepest(issue: z.core.$ZodIssue | undefined): z.core.$ZodIssue | undefined {
  if (issue?.code !== "invalid_union" || issue.errors.length === 0) return issue;
  const inner = issue.errors.flatMap((branch) => branch.slice(0, 1)).map(deepest);
  const best = inner.reduce((a, b) => ((b?.path.length ?? 0) > (a?.path.length ?? 0) ? b : a), undefined);
  if (best === undefined || best.path.length === 0) return issue;
  return { ...best, path: [...issue.path, ...best.path] };
}

function paramOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    return text === "" ? String(key) : `${text}.${String(key)}`;
  }, "");
}
