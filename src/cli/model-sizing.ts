import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { type Calibration, calibrate } from "../programs/decompose/planner.js";
import { retrieval } from "../programs/decompose/tasks/retrieval.js";
import type { LanguageModel } from "../programs/language-model.js";
import { writeAtomically } from "../weights/atomic-file.js";
import { cacheFolder } from "../weights/cache-folder.js";
import type { Session } from "./session.js";

/** What is known of a model on this machine, for choosing how much to give to one call: measured once, with small texts whose answers
 *  are known, and kept in the cache folder. */

const characters = 4000;
const sizes = [500, 1000, 2000, 4000];
const instances = 2;

const stored = z.object({
  costs: z.object({
    prefill: z.tuple([z.number(), z.number(), z.number()]),
    decode: z.tuple([z.number(), z.number()]),
  }),
  errors: z.array(z.object({ size: z.number(), promptTokens: z.number(), error: z.number(), instances: z.number() })),
  frameTokens: z.number(),
  answerTokens: z.number(),
});

/** `where` tells machines and endpoints apart. */
export async function modelSizing(
  session: Session,
  model: LanguageModel,
  where: string,
  fresh = false,
): Promise<Calibration> {
  const name = createHash("sha256")
    .update(JSON.stringify([model.id, where, characters, sizes, instances]))
    .digest("hex")
    .slice(0, 24);
  const path = join(cacheFolder(), "sizing", `${name}.json`);
  const known = fresh ? undefined : await readStored(path);
  if (known !== undefined) return known;
  session.hint(`Measuring how well and how fast ${model.id} reads, once.`);
  const longest = model.contextTokens * 3 - 400;
  const measured = await calibrate(retrieval, model, {
    sizes: sizes.filter((size) => size <= longest),
    n: Math.min(characters, longest),
    instances,
    signal: session.signal,
    onProgress: (done, total) => session.progress.show({ phase: "Measuring", done, total, unit: "texts" }),
  });
  session.progress.clear();
  await mkdir(dirname(path), { recursive: true });
  await writeAtomically(path, (file) => file.write(Buffer.from(JSON.stringify(measured))));
  return measured;
}

async function readStored(path: string): Promise<Calibration | undefined> {
  try {
    return stored.parse(JSON.parse(await readFile(path, "utf8")));
  } catch {
    return undefined;
  }
}
