/** What the server's own endpoints give, as the page reads them. OpenAI's shapes stand in chat-stream.ts, next to their reader. */

export interface Model {
  readonly id: string;
  readonly created?: number;
  readonly owned_by?: string;
  readonly [detail: string]: unknown;
}

export interface ServerState {
  readonly version: string;
  readonly model: string;
  readonly device: string;
  readonly threads: number;
  readonly context_tokens: number;
  readonly schedule: string;
  readonly uptime_seconds: number;
  readonly engine: { readonly state: "ready" | "starting" | "down"; readonly restarts: number };
  /** The server counts its use, with noise: /v1/usage answers. */
  readonly usage_counted?: boolean;
}

export interface UsageFigure {
  readonly name: string;
  readonly value: number;
  /** 95% of values are nearer to the true count than this. */
  readonly error_95: number;
}

export interface Usage {
  /** What the figures promise, in words. */
  readonly promise: string;
  readonly window: { readonly start: string; readonly end: string; readonly as_of: string };
  readonly requests: readonly UsageFigure[];
  readonly tokens: readonly UsageFigure[];
  readonly documents: readonly UsageFigure[];
}

/** The part of JSON Schema that methods' options use. */
export interface OptionSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly enum?: readonly (string | number)[];
}

export interface Method {
  readonly name: string;
  readonly kind: string;
  readonly title: string;
  readonly arxiv?: string;
  readonly state: string;
  readonly selectable: boolean;
  readonly options?: { readonly properties?: Readonly<Record<string, OptionSchema>> };
}

export interface Corpus {
  readonly id: string;
  readonly name: string;
  readonly created_at: number;
  readonly status: "ready" | "indexing" | "failed";
  readonly file_counts: {
    readonly total: number;
    readonly completed: number;
    readonly failed: number;
    readonly in_progress: number;
  };
  readonly chunks: number;
  readonly bytes: number;
  readonly read_only: boolean;
}

export interface CorpusFile {
  readonly name: string;
  readonly bytes: number;
  readonly status: string;
  readonly problem?: string;
}

/** A place in a source, lines counted from 1, both ends included. */
export interface Place {
  readonly file: string;
  readonly start_line: number;
  readonly end_line: number;
}

export interface SearchHit extends Place {
  readonly text: string;
  readonly score: number;
}

export interface Evidence extends Place {
  /** The number it is cited by, where that is not its place in the list. */
  readonly n?: number;
  readonly quote: string;
  readonly score: number;
}

export interface CorpusAnswer {
  readonly answer: string;
  readonly evidence: readonly Evidence[];
  readonly usage?: { readonly prompt_tokens?: number; readonly completion_tokens?: number };
  readonly model?: string | null;
  /** False where nothing in the documents bears the answer out. */
  readonly stated?: boolean;
}

export interface SourceLines {
  readonly file: string;
  readonly start_line: number;
  readonly lines: readonly string[];
  readonly total_lines: number;
}

export interface MapNode {
  readonly id: string;
  readonly name: string;
  readonly terms?: readonly string[];
  readonly size: number;
  readonly children?: readonly MapNode[];
  readonly chunk?: Place;
  /** On the root while topics are still being worked out: folders stand in for them. */
  readonly provisional?: boolean;
}

export interface Pass {
  readonly at: number;
  readonly ms: number;
  readonly decode_rows: number;
  readonly slices: readonly { readonly request: string; readonly user: string; readonly rows: number }[];
  readonly waiting: number;
  readonly running: number;
  readonly cache_bytes: number;
  readonly cache_limit_bytes: number;
}

export interface RunningRequest {
  readonly id: string;
  readonly user: string;
  readonly state: string;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cached_tokens: number;
  readonly cache: { readonly policy: string; readonly entries: number; readonly bytes: number };
  readonly started_at: number;
}
