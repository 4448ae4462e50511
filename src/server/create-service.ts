import path from "node:path";
import { QuireError } from "../errors.js";
import { JobQueue } from "../queue/job-queue.js";
import { cacheFolder } from "../weights/cache-folder.js";
import type { KeyRing } from "./access/key-ring.js";
import { announcedDocuments } from "./announced-names.js";
import type { EngineClient } from "./engine/client.js";
import type { ModelText } from "./engine/model-text.js";
import { Library } from "./library/library.js";
import { libraryEngine } from "./library/library-engine.js";
import { createMetrics } from "./metrics.js";
import { FairQueue } from "./requests/fair-queue.js";
import { Runs } from "./requests/runs.js";
import type { Service, ServiceSettings } from "./service.js";
import { type Tracer, tracerFromEnvironment } from "./tracing/tracer.js";
import { openUsagePrivacy, type UsagePrivacy } from "./usage-privacy.js";
import type { UsagePrivacySetting } from "./usage-privacy-setting.js";

/** Puts an engine and its text side together with queue, figures and settings. */

export interface CreateServiceOptions extends Partial<Omit<ServiceSettings, "names">> {
  readonly engine: EngineClient;
  readonly text: ModelText;
  readonly version: string;
  readonly keys?: KeyRing;
  /** Further names the model answers to. */
  readonly aliases?: readonly string[];
  /** Where files and corpora that are sent are kept; default in the cache folder. */
  readonly dataFolder?: string;
  /** Folders to offer, read-only. */
  readonly corpora?: readonly string[];
  /** Default: as the environment says. */
  readonly tracer?: Tracer;
  /** Requests that wait; more are refused with 429. Default 256. */
  readonly queueSize?: number;
  /** Counts by tenant and document with noise, in place of exact figures. */
  readonly usagePrivacy?: UsagePrivacySetting;
  /** Address of the queue whose workers do corpus jobs. */
  readonly jobQueue?: string;
}

export async function createService(options: CreateServiceOptions): Promise<Service> {
  const { engine, text, version, keys, aliases = [], queueSize = 256, parallel = 8 } = options;
  const queue = new FairQueue({ running: parallel, waiting: queueSize });
  const folder = options.dataFolder ?? path.join(cacheFolder(), "server");
  const corpora = options.corpora ?? [];
  const usage = lateUsage(options.usagePrivacy);
  const metrics = createMetrics({ engine, queue, usage: usage.part });
  const tracer = options.tracer ?? tracerFromEnvironment(version);
  const runs = new Runs({ engine, queue, observer: metrics.observer, tracer });
  const settings: ServiceSettings = {
    names: [...new Set([engine.info.model, ...aliases])],
    maxBodyBytes: options.maxBodyBytes ?? 16 * 2 ** 20,
    maxUploadBytes: options.maxUploadBytes ?? 64 * 2 ** 20,
    defaultMaxTokens: options.defaultMaxTokens ?? 2048,
    cors: options.cors ?? [],
    pageFolder: options.pageFolder,
    hosts: options.hosts,
    parallel,
  };
  const jobs = options.jobQueue === undefined ? undefined : await JobQueue.open(options.jobQueue);
  const library = await Library.open({
    folder,
    corpora,
    engine: libraryEngine({ engine, text, runs }),
  }).catch(async (error: unknown) => {
    await jobs?.close();
    throw error;
  });
  try {
    await usage.open(path.join(folder, "usage"), keys?.names ?? [], () => announcedDocuments(corpora, library));
  } catch (error) {
    await jobs?.close();
    await library.close();
    throw error;
  }
  return {
    version,
    startedAt: Date.now(),
    engine,
    text,
    runs,
    queue,
    metrics,
    settings,
    keys,
    library,
    jobs,
    tracer,
    usage: usage.part,
    draining: false,
  };
}

/** The figures need the names in the library, and the library needs an engine whose runs the figures count: so they open last, and
 *  nothing has run by then. */
function lateUsage(setting: UsagePrivacySetting | undefined) {
  let opened: UsagePrivacy | undefined;
  const open = async (folder: string, tenants: readonly string[], documents: () => Promise<string[]>) => {
    if (setting !== undefined) opened = openUsagePrivacy({ folder, setting, tenants, documents: await documents() });
  };
  const part: UsagePrivacy | undefined =
    setting === undefined
      ? undefined
      : {
          record: (user, event) => opened?.record(user, event),
          report() {
            if (opened === undefined) throw new QuireError("unsupported", "The usage figures are not open yet.");
            return opened.report();
          },
          flush: () => opened?.flush(),
          close: () => opened?.close(),
        };
  return { part, open };
}
