import { isQuireError, QuireError } from "../errors.js";
import { partOf } from "../methods.js";
import type { LanguageModel } from "../programs/language-model.js";
import type { OpenProgress, Quire } from "../quire.js";
import { adaptersOf } from "./adapter-flags.js";
import { type GenerationFlags, isOffline, type ModelFlags } from "./options.js";
import type { Session } from "./session.js";

/** The model a command works with: on this machine, or behind an endpoint. */

export interface OpenedModel {
  readonly model: LanguageModel;
  /** Missing for an endpoint. */
  readonly quire: Quire | undefined;
  /** What runs where, for the line under an answer. */
  readonly where: string;
  close(): Promise<void>;
}

export type AllModelFlags = ModelFlags & GenerationFlags;

export async function openModel(session: Session, flags: AllModelFlags): Promise<OpenedModel> {
  await checkParts(flags);
  return flags.baseUrl === undefined ? openLocal(session, flags) : openRemote(session, flags, flags.baseUrl);
}

/** As `openModel`; where no model was named and none can be had, undefined and a notice instead of an error. */
export async function openModelIfAny(session: Session, flags: AllModelFlags): Promise<OpenedModel | undefined> {
  if (flags.model !== undefined || flags.baseUrl !== undefined) return openModel(session, flags);
  await checkParts(flags);
  try {
    return await openLocal(session, flags);
  } catch (error) {
    if (!isQuireError(error) || error.code === "cancelled" || error.code === "bad-option") throw error;
    session.warn(`No language model can be had, so passages are quoted instead. (${error.message})`);
    return undefined;
  }
}

/** The model that a chunker asks; undefined where the chunker asks none. */
export async function openChunkingModel(
  session: Session,
  flags: AllModelFlags & { readonly chunker?: string },
): Promise<OpenedModel | undefined> {
  const { asksModel } = await partOf("chunker", flags.chunker ?? "recursive");
  return asksModel ? openModel(session, flags) : undefined;
}

/** Names are checked before anything is fetched or loaded. */
async function checkParts({ cache, decoder, adapter, baseUrl }: AllModelFlags): Promise<void> {
  if (cache !== undefined) await partOf("cache", cache);
  if (decoder !== undefined) await partOf("decoder", decoder);
  if (baseUrl === undefined || (cache === undefined && decoder === undefined && adapter === undefined)) return;
  throw new QuireError("bad-option", "An endpoint chooses its own cache, decoder and adapters.", {
    got: cache !== undefined ? "--cache" : decoder !== undefined ? "--decoder" : "--adapter",
    expected: "--base-url alone",
    fix: "Leave them out, or leave out --base-url.",
  });
}

export async function openQuire(session: Session, flags: ModelFlags): Promise<Quire> {
  const { Quire } = await import("../quire.js");
  const adapters = adaptersOf(flags);
  const quire = await Quire.open(flags.model, {
    adapters,
    adapter: Object.keys(adapters)[0],
    device: flags.device,
    threads: flags.threads,
    contextTokens: flags.context,
    cacheType: flags.cacheType as "f16" | "f32" | "q8_0" | undefined,
    products: flags.products as "as-stored" | "in-parts" | undefined,
    offline: isOffline(flags),
    signal: session.signal,
    onProgress: (progress) => showOpening(session, progress),
  });
  session.progress.clear();
  return quire;
}

async function openLocal(session: Session, flags: AllModelFlags): Promise<OpenedModel> {
  const { cache, decoder } = flags;
  const quire = await openQuire(session, flags);
  return {
    model: withSampling(quire.languageModel({ cache, decoder }), flags),
    quire,
    where: describePlace(quire),
    close: () => quire.close(),
  };
}

async function openRemote(session: Session, flags: AllModelFlags, baseUrl: string): Promise<OpenedModel> {
  const { openEndpoint } = await import("../programs/endpoint.js");
  const { apiKey, model, context } = flags;
  const endpoint = await openEndpoint({ baseUrl, apiKey, model, contextTokens: context }, session.signal);
  const where = `${endpoint.id} at ${new URL(baseUrl).host}`;
  return { model: withSampling(endpoint, flags), quire: undefined, where, close: async () => {} };
}

/** Programs leave temperature and seed open; the flags fill them. */
function withSampling(model: LanguageModel, { temperature, seed }: GenerationFlags): LanguageModel {
  return {
    ...model,
    generate: (request) =>
      model.generate({
        ...request,
        temperature: request.temperature ?? temperature,
        seed: request.seed ?? seed,
      }),
  };
}

function describePlace(quire: Quire): string {
  const { description, name, threads } = quire.device;
  const place = (description || name).trim();
  return `${quire.name} on ${place}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
}

export function showOpening(session: Session, { phase, name, done, total }: OpenProgress): void {
  const verb = phase === "download" ? "Downloading" : phase === "requantise" ? "Requantising" : "Loading";
  session.progress.show({ phase: verb, name, done, total, unit: "bytes" });
}
