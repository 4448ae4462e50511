/** The one error type of Quire. It carries data, so that every surface (CLI, server, library) can say the same three things:
 *  what was wrong, what was expected, and what to do about it. Recognise it with `isQuireError`, which also works across two
 *  copies of the package. */

export const errorCodes = [
  "bad-option", // an option or argument has a value that cannot be used
  "bad-input", // a prompt, document, folder or request cannot be used
  "bad-file", // a file is damaged or not what it claims to be
  "bad-shape", // tensor shapes or types do not fit an operation
  "not-found", // a file, model, method or corpus does not exist
  "unsupported", // understood, but this build, machine or model cannot do it
  "context-overflow", // more tokens than the model's window
  "budget-exceeded", // a limit of calls, tokens, time or memory was reached
  "network", // a download or an endpoint failed
  "checksum", // bytes arrived, but not the promised ones
  "disk", // writing failed: no space, no permission
  "locked", // another process holds what is needed
  "cancelled", // the caller asked to stop
  "diverged", // training came to numbers that are not finite
  "native", // ggml or another native library refused
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export interface ErrorDetails {
  /** What was received, as data. */
  got?: unknown;
  /** What would have been right, in words or as data. */
  expected?: unknown;
  /** What to do now, one sentence. */
  fix?: string;
  cause?: unknown;
  /** Work done before the failure, so that nothing is lost. */
  partial?: unknown;
}

const marker = Symbol.for("quire.error");

export class QuireError extends Error {
  readonly [marker] = true;
  override readonly name = "QuireError";
  readonly code: ErrorCode;
  readonly got: unknown;
  readonly expected: unknown;
  readonly fix: string | undefined;
  readonly partial: unknown;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.got = details.got;
    this.expected = details.expected;
    this.fix = details.fix;
    this.partial = details.partial;
  }

  toJSON(): Record<string, unknown> {
    return { code: this.code, message: this.message, got: this.got, expected: this.expected, fix: this.fix };
  }
}

export function isQuireError(value: unknown): value is QuireError {
  return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[marker] === true;
}

const wrongInput: ReadonlySet<ErrorCode> = new Set([
  "bad-option",
  "bad-input",
  "bad-file",
  "bad-shape",
  "not-found",
  "unsupported",
  "context-overflow",
]);

/** 1 failed while running, 2 wrong input, 130 interrupted. */
export function exitCode(error: unknown): 1 | 2 | 130 {
  if (!isQuireError(error)) return 1;
  if (error.code === "cancelled") return 130;
  return wrongInput.has(error.code) ? 2 : 1;
}

/** The names closest to a misspelt one, nearest first, for "did you mean". */
export function nearest(name: string, known: Iterable<string>, most = 3): string[] {
  const scored = [...known].map((candidate) => ({
    candidate,
    distance: editDistance(name.toLowerCase(), candidate.toLowerCase()),
  }));
  return scored
    .filter(
      ({ candidate, distance }) =>
        distance <= Math.max(2, Math.floor(candidate.length / 3)) || candidate.includes(name),
    )
    .sort((a, b) => a.distance - b.distance)
    .slice(0, most)
    .map(({ candidate }) => candidate);
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

export function throwIfAborted(signal: AbortSignal | undefined, partial?: unknown): void {
  if (signal?.aborted) throw new QuireError("cancelled", "Stopped on request.", { cause: signal.reason, partial });
}
