import { QuireError } from "../../errors.js";
import type { WeightFile } from "../../weights/weight-file.js";
import type { ModelConfig } from "../architecture.js";
import { readModelConfig } from "../blocks/model-config.js";
import { type RotaryConfig, readRotary } from "../blocks/rotary.js";
import { metadataReader } from "../metadata-reader.js";

/** Configuration of a Mixture-of-Recursions model, from a file's metadata: a Llama configuration and fields under "mor". */
export interface MorConfig extends ModelConfig {
  readonly intermediateSize: number;
  readonly epsilon: number;
  readonly rotary: RotaryConfig;
  readonly recursions: number;
  /** Layers that every recursion runs through. */
  readonly sharedLayers: number;
  /** A first and a last layer of their own, for every row. */
  readonly outerLayers: boolean;
  readonly router: RouterConfig;
  /** Share of all rows that each recursion takes in training, falling. */
  readonly capacity: readonly number[];
  /** "recursion": a row has entries where it went. "shared": all have those of the first recursion, which later ones read. */
  readonly kv: "recursion" | "shared";
}

export interface RouterConfig {
  /** "expert": each recursion chooses its rows. "token": each row chooses its depth. "none": all go through all recursions. */
  readonly kind: "expert" | "token" | "none";
  readonly net: "linear" | "mlp";
  readonly gate: "sigmoid" | "tanh" | "identity" | "softmax";
  /** Scale of the gate. */
  readonly alpha: number;
  readonly temperature: number;
  /** "additive": what comes out of a recursion is added as it is. */
  readonly gating: "weighted" | "additive";
}

export function readMorConfig(file: WeightFile): MorConfig {
  const reader = metadataReader(file, "mor");
  const wrong = (
    field: string,
    got: unknown,
    expected: string,
    code: "bad-file" | "unsupported" = "bad-file",
  ): never => {
    throw new QuireError(code, `${file.path}: the field ${field} cannot be used.`, { got, expected });
  };
  const oneOf = <Value extends string>(field: string, values: readonly Value[], fallback: Value): Value => {
    const got = reader.text([field], fallback);
    return values.find((value) => value === got) ?? wrong(field, got, values.join(" or "));
  };
  const base = readModelConfig(reader, file);
  if (!reader.has("recursions")) {
    throw new QuireError("bad-file", `${file.path} does not say how its recursions work.`, {
      expected: 'fields "recursions", "sharing", "router" and "kv" under "mor" in config.json',
      fix: "Copy them from the settings that the model was trained with.",
    });
  }
  const recursions = reader.integer(["recursions"], { max: 64 });
  const kind = oneOf("router.kind", ["expert", "token", "none"], "expert");
  const sharing = reader.text(["sharing"], "middle-cycle");
  if (sharing !== "middle-cycle" && sharing !== "cycle")
    wrong("sharing", sharing, "middle-cycle or cycle: a router needs whole recursions", "unsupported");
  const outerLayers = sharing === "middle-cycle";
  const outer = outerLayers ? 2 : 0;
  const sharedLayers = Math.floor((base.numLayers - outer) / recursions);
  if (sharedLayers < 1) wrong("num_hidden_layers", base.numLayers, `at least ${recursions + outer} layers`);
  const router = {
    kind,
    net: oneOf("router.net", ["linear", "mlp"], "linear"),
    gate: oneOf("router.gate", ["sigmoid", "tanh", "identity", "softmax"], kind === "token" ? "softmax" : "sigmoid"),
    alpha: reader.number(["router.alpha"], kind === "token" ? 1 : 0.1),
    temperature: reader.number(["router.temperature"], 1),
    gating: oneOf("router.gating", ["weighted", "additive"], "weighted"),
  };
  if (
    kind === "expert"
      ? router.gate === "softmax" || router.net === "mlp"
      : !["sigmoid", "softmax"].includes(router.gate)
  )
    wrong("router.gate", router, "sigmoid, tanh or identity of a linear router (expert), sigmoid or softmax (token)");
  if (!(router.temperature > 0)) wrong("router.temperature", router.temperature, "a number above 0");
  const capacity = readCapacity(file, recursions);
  const falls = capacity.every((share, r) => share > 0 && share <= 1 && share <= (capacity[r - 1] ?? 1));
  if (!falls || capacity.length !== recursions)
    wrong("capacity", capacity, `${recursions} shares within 0 and 1, none above the one before`);
  const cache = reader.text(["kv"], kind === "token" ? "shared" : "recursion");
  if (cache !== "recursion" && cache !== "shared") wrong("kv", cache, "recursion or shared", "unsupported");
  const kv = cache as MorConfig["kv"];
  if (kv === "shared" && (kind === "none" || (capacity[0] as number) < 1))
    wrong("kv", kv, "a router, and a first capacity of 1, because all rows read the entries of the first recursion");
  return {
    ...base,
    numLayers: sharedLayers * recursions + outer,
    rotary: readRotary(reader, file, base.headDim, "neox"),
    ...{ recursions, sharedLayers, outerLayers, router, capacity, kv },
  };
}

function readCapacity(file: WeightFile, recursions: number): number[] {
  const given = file.metadata.get("mor.capacity") ?? file.metadata.get("capacity");
  if (given !== undefined && typeof given === "object") return Array.from(given as ArrayLike<number>, Number);
  return Array.from({ length: recursions }, (_, r) => (recursions - r) / recursions);
}

/** Rows of `length` that recursion `r` (from 1) takes. */
export function capacityOf({ capacity }: Pick<MorConfig, "capacity">, r: number, length: number): number {
  const rounding = 1e-6;
  return Math.max(1, Math.floor((capacity[r - 1] as number) * length + rounding));
}

/** Sets of weights by unrolled layer: "0 | 1 2 | 1 2 | 3". */
export function weightSets({ recursions, sharedLayers, outerLayers }: MorConfig): number[] {
  const first = outerLayers ? [0] : [];
  const shared = Array.from({ length: sharedLayers }, (_, j) => first.length + j);
  const last = outerLayers ? [sharedLayers + 1] : [];
  return [...first, ...new Array<number[]>(recursions).fill(shared).flat(), ...last];
}

/** Layer of the memory for layer `j` (from 0) of recursion `r` (from 1). */
export function memoryLayer({ sharedLayers, outerLayers, kv }: MorConfig, r: number, j: number): number {
  return (outerLayers ? 1 : 0) + (kv === "shared" ? 0 : (r - 1) * sharedLayers) + j;
}

export function lastMemoryLayer({ recursions, sharedLayers, kv }: MorConfig): number {
  return 1 + sharedLayers * (kv === "shared" ? 1 : recursions);
}

/** Whether rows are chosen for a recursion, or all go. */
export function chooses({ capacity, router }: MorConfig, r: number): boolean {
  if (router.kind === "none") return false;
  return router.kind === "token" ? r > 1 : (capacity[r - 1] as number) < 1;
}
