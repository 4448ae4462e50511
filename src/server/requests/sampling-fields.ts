import { z } from "zod";
import { partOf } from "../../methods.js";
import type { JobOptions } from "../engine/client.js";
import { asApiError, badRequest } from "../http/api-error.js";

/** Fields that all generating routes share, and what they become. `null` means "left out", as clients send it. */

export const quireField = z
  .strictObject({
    cache: z.string().max(200).nullish().describe('cache policy, as "window:budget=512"'),
    decoder: z.string().max(200).nullish().describe('decoder, as "rsd" or "chain:draft=lookup"'),
    adapter: z.string().max(200).nullish().describe("one of the adapters that the server was started with"),
    overflow: z
      .enum(["error", "drop-middle", "drop-start"])
      .nullish()
      .describe("what to do with a prompt longer than the window; the answer then says how much was dropped"),
    user: z.string().max(200).nullish().describe("whose request this is, for fairness between users"),
    grammar: z.string().max(200_000).nullish().describe("GBNF grammar that the answer is forced to fit"),
    template: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .nullish()
      .describe("further variables of the chat template, as enable_thinking"),
  })
  .nullish()
  .describe("Quire's own options");

export const samplingFields = {
  model: z.string().max(500).nullish().describe("name of a served model; left out, the one there is"),
  temperature: z.number().min(0).max(100).nullish().describe("0 (the default) always takes the likeliest token"),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  presence_penalty: z.number().min(-100).max(100).nullish(),
  frequency_penalty: z.number().min(-100).max(100).nullish(),
  repetition_penalty: z.number().gt(0).max(100).nullish(),
  logit_bias: z.record(z.string().regex(/^\d+$/, "must be token numbers"), z.number().min(-100).max(100)).nullish(),
  seed: z.int().nullish(),
  stop: z
    .union([z.string().min(1).max(4096), z.array(z.string().min(1).max(4096)).max(16)])
    .nullish()
    .describe("up to 16 texts that end the answer"),
  n: z.int().min(1).max(16).nullish().describe("how many answers"),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  ignore_eos: z.boolean().nullish().describe("go on after the model wants to stop, for timing"),
  user: z.string().max(1000).nullish(),
  quire: quireField,
};

const samplingShape = z.object(samplingFields);
export type SamplingFields = z.output<typeof samplingShape>;

/** Names and options of parts are checked before a request waits. */
export async function checkParts({ quire }: Pick<SamplingFields, "quire">): Promise<void> {
  for (const kind of ["cache", "decoder"] as const) {
    const choice = quire?.[kind];
    if (choice === null || choice === undefined) continue;
    const part = await partOf(kind, choice).catch((error: unknown) => {
      const { message, code } = asApiError(error);
      throw badRequest(`quire.${kind}: ${message}`, `quire.${kind}`, code ?? undefined);
    });
    // Whoever asks a server must not make it read or fetch files of their choice.
    if (/[:,]adapters=/.test(choice))
      throw badRequest(`quire.${kind}: a request cannot name a file of adapters.`, `quire.${kind}`, "bad-option");
    const draft = "draft" in part ? (part.draft ?? "") : "";
    if (/^(tiny|model):/.test(draft))
      throw badRequest(`quire.decoder: a request cannot name the draft ${draft}.`, "quire.decoder", "bad-option");
  }
}

export function stopsOf({ stop }: Pick<SamplingFields, "stop">): string[] {
  if (stop === null || stop === undefined) return [];
  return typeof stop === "string" ? [stop] : stop;
}

/** Sampling as the engine wants it; answer `index` of several draws with a seed of its own. */
export function samplingOf(fields: SamplingFields, index = 0): JobOptions {
  const seed = given(fields.seed);
  const topP = given(fields.top_p);
  return withoutUndefined({
    temperature: given(fields.temperature),
    // 0 is what some clients send for "only the likeliest".
    topP: topP === 0 ? Number.MIN_VALUE : topP,
    topK: given(fields.top_k),
    minP: given(fields.min_p),
    presencePenalty: given(fields.presence_penalty),
    frequencyPenalty: given(fields.frequency_penalty),
    repetitionPenalty: given(fields.repetition_penalty),
    logitBias: given(fields.logit_bias),
    seed: seed === undefined ? undefined : seed + index,
    ignoreEnd: given(fields.ignore_eos),
    cache: given(fields.quire?.cache),
    decoder: given(fields.quire?.decoder),
    adapter: given(fields.quire?.adapter),
    overflow: fields.quire?.overflow === "drop-start" ? "drop-oldest" : given(fields.quire?.overflow),
  });
}

export function given<Value>(value: Value | null | undefined): Value | undefined {
  return value ?? undefined;
}

export function withoutUndefined<Fields extends object>(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Fields;
}

/** Fields that would change the answer and that this server cannot honour are refused, never dropped in silence; fields that nobody
 *  knows are left alone. */
export function refuseUnsupported(value: Readonly<Record<string, unknown>>, fields: Readonly<Record<string, string>>) {
  for (const [name, why] of Object.entries(fields)) {
    const sent = value[name];
    if (sent === undefined || sent === null || sent === false) continue;
    if (Array.isArray(sent) && sent.length === 0) continue;
    throw badRequest(`${name}: ${why}`, name, "unsupported_parameter");
  }
}
