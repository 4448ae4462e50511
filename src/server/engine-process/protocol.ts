import { type ErrorCode, isQuireError, QuireError } from "../../errors.js";
import type { CacheInspection } from "../../inspect/cache-inspection.js";
import type { OpenProgress } from "../../quire.js";
import type {
  EngineInfo,
  EngineJob,
  EnginePass,
  EnginePiece,
  EngineResult,
  EngineSettings,
  EngineVectors,
  InspectRequest,
} from "../engine/client.js";

/** What server and engine process say to each other. All of it is data that structured cloning can carry. */

export type ToEngine =
  | { readonly type: "open"; readonly settings: EngineSettings }
  | { readonly type: "generate"; readonly call: number; readonly job: EngineJob }
  | { readonly type: "embed"; readonly call: number; readonly texts: readonly string[] }
  | { readonly type: "inspect"; readonly call: number; readonly request: InspectRequest }
  | { readonly type: "cancel"; readonly call: number }
  /** Whether passes are to be told of. */
  | { readonly type: "watch"; readonly on: boolean }
  | { readonly type: "close" };

export type FromEngine =
  | { readonly type: "progress"; readonly progress: OpenProgress }
  | { readonly type: "notice"; readonly notice: string }
  | { readonly type: "ready"; readonly info: EngineInfo }
  /** The model cannot be opened; the process ends. */
  | { readonly type: "unable"; readonly error: SentError }
  /** Pieces of several calls that came out in one turn of the loop. */
  | { readonly type: "pieces"; readonly pieces: readonly { readonly call: number; readonly piece: EnginePiece }[] }
  | { readonly type: "generated"; readonly call: number; readonly result: EngineResult }
  | { readonly type: "embedded"; readonly call: number; readonly vectors: EngineVectors }
  | { readonly type: "inspected"; readonly call: number; readonly inspection: CacheInspection }
  | { readonly type: "failed"; readonly call: number; readonly error: SentError }
  | { readonly type: "pass"; readonly pass: EnginePass }
  | { readonly type: "over" };

export interface SentError {
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly got?: string | number;
  readonly expected?: string | number;
  readonly fix?: string;
}

export function packError(error: unknown): SentError {
  if (!isQuireError(error)) {
    return { code: undefined, message: error instanceof Error ? error.message : String(error) };
  }
  const { code, message, fix } = error;
  return { code, message, got: inWords(error.got), expected: inWords(error.expected), fix };
}

export function unpackError({ code, message, got, expected, fix }: SentError): Error {
  return code === undefined ? new Error(message) : new QuireError(code, message, { got, expected, fix });
}

/** Details may hold anything; what goes to another process is a number or a text. */
function inWords(value: unknown): string | number | undefined {
  if (value === undefined || typeof value === "string" || typeof value === "number") return value;
  try {
    return JSON.stringify(value)?.slice(0, 1000);
  } catch {
    return String(value);
  }
}
