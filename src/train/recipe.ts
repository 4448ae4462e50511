import { z } from "zod";
import { nearest, QuireError } from "../errors.js";
import { suggestion } from "../method.js";
import type { Task } from "./tasks/task.js";

/** What a training run is made from, as people write it down: `export default { name, model, data, batch, steps }`. Everything else
 *  has a default. Keys that are not known are refused, with the nearest one that is. */

const positive = z.number().positive().finite();
const count = z.int().min(1);
const share = z.number().min(0).max(1);

const metadataValue = z.union([z.string(), z.number(), z.boolean()]);

export const newModel = z.strictObject({
  architecture: z.string().describe("its name, such as llama"),
  hiddenSize: count.describe("width of the residual stream"),
  layers: count,
  heads: count,
  kvHeads: count.optional().describe("default: as many as heads"),
  headDim: count.optional().describe("default: hiddenSize / heads"),
  innerSize: count.optional().describe("width of the feed-forward; default: 8/3 of hiddenSize, rounded up to 16"),
  context: count.optional().describe("most positions; default: twice the length of a sequence"),
  epsilon: positive.default(1e-5),
  theta: positive.default(10_000).describe("base of the rotary positions"),
  fields: z
    .record(z.string(), metadataValue)
    .default({})
    .describe("what this architecture alone knows, under its GGUF names"),
});

const adapter = z.strictObject({
  rank: count.default(8),
  alpha: positive.optional().describe("the adapter counts alpha / rank; default: twice the rank"),
  targets: z
    .array(z.string())
    .min(1)
    .default(["q_proj", "v_proj"])
    .describe("weights that get one, by their names in published checkpoints"),
});

const startedModel = z.strictObject({
  from: z.string().describe("a model of the catalogue, a file or a folder: training goes on from its weights"),
  adapter: adapter.optional().describe("learn a LoRA adapter beside the weights, which stay as they are"),
});

const isTask = (value: unknown): value is Task =>
  typeof value === "object" && value !== null && "draw" in value && "vocabulary" in value;

const taskData = z.strictObject({
  task: z.union([z.string(), z.custom<Task>(isTask, "must be the name of a task, or a task")]),
  learn: z.enum(["answers", "all"]).default("answers").describe("what counts in the loss"),
  evaluationExamples: count.default(512),
});

const textData = z.strictObject({
  text: z.array(z.string()).min(1).describe("files or folders, from the recipe's folder"),
  validation: z.array(z.string()).optional().describe("text to evaluate with; default: a twentieth of the text"),
  evaluationBatches: count.default(8),
});

const optimizers = z.discriminatedUnion("name", [
  z.strictObject({
    name: z.literal("adamw"),
    learningRate: positive.default(1e-3),
    beta1: share.default(0.9),
    beta2: share.default(0.95),
    epsilon: positive.default(1e-8),
    weightDecay: z.number().min(0).default(0.1),
    embeddingRate: positive.default(1).describe("learning rate of the embedding, as a multiple of the others'"),
  }),
  z.strictObject({
    name: z.literal("muon"),
    learningRate: positive.default(1e-3),
    momentum: share.default(0.95),
    weightDecay: z.number().min(0).default(0.1),
  }),
  z.strictObject({
    name: z.literal("sgd"),
    learningRate: positive.default(0.1),
    momentum: share.default(0.9),
    nesterov: z.boolean().default(true),
    weightDecay: z.number().min(0).default(0),
  }),
]);

export const recipeSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9]+([.-][a-z0-9]+)*$/, "must be small letters, digits and hyphens")
    .describe("of the model and of its folder"),
  title: z.string().optional().describe("one line for people"),
  model: z.union([newModel, startedModel]),
  data: z.union([taskData, textData]),
  batch: z.strictObject({
    sequences: count,
    length: count.describe("tokens of a sequence"),
    microbatch: count.optional().describe("sequences at once, where all are too many for memory"),
    recompute: z.boolean().default(false).describe("less memory for more time: compute layers again for gradients"),
  }),
  steps: count,
  trainer: z
    .string()
    .optional()
    .describe("how gradients are found, such as seco-spaco:chunk=256; default: from the batch as a whole"),
  optimizer: optimizers.default({
    name: "adamw",
    learningRate: 1e-3,
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    weightDecay: 0.1,
    embeddingRate: 1,
  }),
  schedule: z
    .strictObject({
      kind: z.enum(["plateau", "cosine", "constant"]).default("plateau"),
      warmup: share.default(0.05).describe("share of the steps"),
      decay: share.default(0.2).describe("plateau: share of the steps at the end in which the rate falls"),
      floor: share.default(0).describe("last rate, as a share of the highest"),
    })
    .default({ kind: "plateau", warmup: 0.05, decay: 0.2, floor: 0 }),
  clip: positive.default(1).describe("largest norm of the gradients"),
  products: z.enum(["f32", "bf16"]).default("f32").describe("in what numbers matrices are multiplied"),
  auxiliary: z.record(z.string(), z.number().finite()).default({}).describe("weights of the model's named losses"),
  seed: z.int().min(0).default(1),
  evaluateEvery: count.optional().describe("steps; default: a twentieth of all"),
  patience: count.optional().describe("evaluations without progress after which the run ends, with the best weights"),
  checkpointSeconds: positive.default(60),
  save: z.enum(["gguf", "safetensors"]).default("gguf"),
});

/** As a recipe is written; what is left out has a default. */
export type Recipe = z.input<typeof recipeSchema>;
export type ParsedRecipe = z.output<typeof recipeSchema>;
export type NewModelRecipe = z.output<typeof newModel>;

/** For editors: gives the recipe back as it is. */
export function defineRecipe(recipe: Recipe): Recipe {
  return recipe;
}

export function parseRecipe(value: unknown, where = "The recipe"): ParsedRecipe {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new QuireError("bad-input", `${where} is no recipe.`, {
      got: value === undefined ? "nothing" : typeof value,
      expected: "export default { name, model, data, batch, steps }",
    });
  }
  checkKeys(recipeSchema, value as Record<string, unknown>, [], where);
  const result = recipeSchema.safeParse(value);
  if (result.success) return result.data;
  const issue = deepest(result.error.issues[0] as Issue, []);
  const place = issue.path.join(".");
  throw new QuireError("bad-option", `${where}: ${place === "" ? "it" : place} cannot be used: ${issue.message}.`, {
    got: at(value, issue.path),
    expected: descriptionAt(issue.path),
  });
}

type Issue = z.core.$ZodIssue;

/** Of a union the issue that lies deepest: the form that was meant. */
function deepest(issue: Issue, before: readonly PropertyKey[]): { path: PropertyKey[]; message: string } {
  const path = [...before, ...issue.path];
  if (issue.code !== "invalid_union") return { path, message: issue.message };
  const found = issue.errors
    .map((issues) => issues[0])
    .filter((one) => one !== undefined)
    .map((one) => deepest(one, path));
  const longest = found.reduce<{ path: PropertyKey[]; message: string } | undefined>(
    (best, one) => (best === undefined || one.path.length > best.path.length ? one : best),
    undefined,
  );
  return longest ?? { path, message: issue.message };
}

/** Before anything else, so that a misspelt key is called that, and not "missing". */
function checkKeys(schema: z.ZodType, value: unknown, path: readonly string[], where: string): void {
  const options = formsOf(schema);
  if (options.length === 0 || typeof value !== "object" || value === null || Array.isArray(value)) return;
  const keys = Object.keys(value);
  const fits = (shape: Readonly<Record<string, z.ZodType>>): number => keys.filter((key) => key in shape).length;
  const given = (value as Record<string, unknown>)["name"];
  const named = options.find((shape) => shape["name"] instanceof z.ZodLiteral && shape["name"].value === given);
  const shape = named ?? options.reduce((best, one) => (fits(one) > fits(best) ? one : best));
  for (const key of keys) {
    const inner = shape[key];
    if (inner !== undefined) {
      checkKeys(inner, (value as Record<string, unknown>)[key], [...path, key], where);
      continue;
    }
    const known = [...new Set(options.flatMap((one) => Object.keys(one)))];
    throw new QuireError("bad-option", `${where} has no "${[...path, key].join(".")}".`, {
      got: key,
      expected: Object.keys(shape).join(", "),
      fix: suggestion(nearest(key, known)),
    });
  }
}

/** The shapes of the strict objects that a value may have. */
function formsOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>>[] {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) return formsOf(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodUnion || schema instanceof z.ZodDiscriminatedUnion)
    return (schema.options as z.ZodType[]).flatMap(formsOf);
  return schema instanceof z.ZodObject ? [schema.shape as Record<string, z.ZodType>] : [];
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  let found: unknown = value;
  for (const key of path) found = (found as Record<PropertyKey, unknown> | undefined)?.[key];
  return found;
}

function descriptionAt(path: readonly PropertyKey[]): string | undefined {
  let schemas: z.ZodType[] = [recipeSchema];
  for (const key of path)
    schemas = schemas.flatMap((schema) => formsOf(schema).flatMap((shape) => shape[String(key)] ?? []));
  return schemas.map((schema) => schema.description).find((text) => text !== undefined);
}
