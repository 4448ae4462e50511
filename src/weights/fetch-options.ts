import type { DownloadProgress } from "./download.js";

/** What every way of fetching a model takes. */
export interface FetchOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Called when another process is fetching the same and is waited for. */
  readonly onWait?: (holder: string) => void;
  /** Tries after the first, and the pause before them: see `DownloadOptions`. */
  readonly retries?: number;
  readonly pauseMs?: number;
}
