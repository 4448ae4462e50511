import type { Context } from "hono";
import type { JobQueue } from "../queue/job-queue.js";
import type { Caller } from "./access/caller.js";
import type { KeyRing } from "./access/key-ring.js";
import type { EngineClient } from "./engine/client.js";
import type { ModelText } from "./engine/model-text.js";
import { notFound } from "./http/api-error.js";
import type { Library } from "./library/library.js";
import type { Metrics } from "./metrics.js";
import type { FairQueue } from "./requests/fair-queue.js";
import type { Runs } from "./requests/runs.js";
import type { Tracer } from "./tracing/tracer.js";
import type { UsagePrivacy } from "./usage-privacy.js";

/** What all routes share: one engine, its text side, the queue before it, and what was set. */

export interface Service {
  readonly version: string;
  readonly startedAt: number;
  readonly engine: EngineClient;
  readonly text: ModelText;
  readonly runs: Runs;
  readonly queue: FairQueue;
  readonly metrics: Metrics;
  readonly settings: ServiceSettings;
  /** Undefined = everybody may, since only this machine can reach the server. */
  readonly keys: KeyRing | undefined;
  readonly library: Library;
  /** Jobs for workers, where there is a queue. */
  readonly jobs: JobQueue | undefined;
  readonly tracer: Tracer | undefined;
  /** Figures with noise, where the operator asked for them in place of exact ones. */
  readonly usage: UsagePrivacy | undefined;
  /** Set once it shuts down: what runs may end, nothing new begins. */
  draining: boolean;
}

export interface ServiceSettings {
  /** Names the model answers to, its own first. */
  readonly names: readonly string[];
  readonly maxBodyBytes: number;
  readonly maxUploadBytes: number;
  /** Of an answer, where the request does not say. */
  readonly defaultMaxTokens: number;
  /** Origins of other sites whose pages may call. */
  readonly cors: readonly string[];
  /** Folder of the built page. */
  readonly pageFolder: string | undefined;
  /** Host names by which the server may be called; undefined = any. */
  readonly hosts: readonly string[] | undefined;
  readonly parallel: number;
}

export interface AppEnv {
  Variables: { caller: Caller; route: string };
}

export type AppContext = Context<AppEnv>;

/** Refuses names that are not served; without a name it is the one model. */
export function modelNamed(service: Service, name: string | null | undefined): string {
  const { names } = service.settings;
  if (name === null || name === undefined || name === "") return names[0] ?? service.engine.info.model;
  if (names.includes(name)) return name;
  throw notFound(`The model "${name}" is not served here. Served: ${names.join(", ")}.`, "model_not_found", "model");
}

/** Whose line a request waits in: the key's, or without keys whoever the request says it is for. */
export function userOf(
  caller: Caller,
  fields: { user?: string | null; quire?: { user?: string | null } | null | undefined },
): string {
  return caller.key ?? fields.quire?.user ?? fields.user ?? caller.address;
}
