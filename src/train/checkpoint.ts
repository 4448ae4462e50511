import { mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { QuireError } from "../errors.js";
import type { Optimizer } from "../tensor/optim/optimizer.js";
import { elements } from "../tensor/shape.js";
import { Storage } from "../tensor/storage.js";
import type { Tensor } from "../tensor/tensor.js";
import { writingError } from "../weights/atomic-file.js";
import { openSafetensors } from "../weights/safetensors.js";
import { type SafetensorsTensor, writeSafetensors } from "../weights/safetensors-write.js";
import type { WeightFile } from "../weights/weight-file.js";
import type { CurveState } from "./curve.js";

/** Everything a run needs to go on bit for bit: parameters, the optimiser's moments, the place in the data, the curve. One file, whole
 *  or not at all: whoever is killed while writing keeps the one before. */

export interface RunState {
  /** Steps made. */
  readonly step: number;
  /** Targets that counted so far, and seconds spent. */
  readonly tokens: number;
  readonly seconds: number;
  /** What must be the same when going on. */
  readonly fingerprint: string;
  readonly best?: { readonly step: number; readonly loss: number };
  readonly curve: CurveState;
}

export interface RunContents {
  readonly parameters: readonly Tensor[];
  readonly optimizer: Optimizer;
  /** Parameters of the best evaluation so far, by name, where a run keeps them. */
  readonly best?: ReadonlyMap<string, Float32Array>;
}

export function checkpointPath(folder: string): string {
  return path.join(folder, "checkpoint.safetensors");
}

export async function hasCheckpoint(folder: string): Promise<boolean> {
  return (await stat(checkpointPath(folder)).catch(() => undefined)) !== undefined;
}

export async function writeCheckpoint(folder: string, state: RunState, contents: RunContents): Promise<void> {
  const { parameters, optimizer, best } = contents;
  const tensors: SafetensorsTensor[] = parameters.map((parameter) =>
    entry(`parameter ${parameter.name}`, valuesOf(parameter)),
  );
  const bad = tensors.findIndex(({ data }) => !isFinite32(data as Uint8Array));
  if (bad >= 0) {
    throw new QuireError("diverged", `The parameter ${parameters[bad]?.name} is not finite after step ${state.step}.`, {
      expected: "finite numbers",
      fix: "Go on from the last checkpoint with a lower learning rate.",
    });
  }
  const { steps, moments } = optimizer.save();
  for (const [name, values] of Object.entries(moments)) tensors.push(entry(`moment ${name}`, values));
  for (const [name, values] of best ?? []) tensors.push(entry(`best ${name}`, values));
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw writingError(folder, error);
  });
  const notes = { state: JSON.stringify(state), optimizerSteps: String(steps) };
  await writeSafetensors(checkpointPath(folder), { tensors, notes });
}

/** Puts parameters and moments back. `fingerprint` is that of the run that wants to go on. */
export async function readCheckpoint(
  folder: string,
  fingerprint: string,
  { parameters, optimizer }: RunContents,
): Promise<{ state: RunState; best: Map<string, Float32Array> }> {
  const file = await openSafetensors(checkpointPath(folder));
  try {
    const state = readState(file);
    if (state.fingerprint !== fingerprint) {
      throw new QuireError("bad-input", `The checkpoint in ${folder} is of another run.`, {
        got: state.fingerprint,
        expected: fingerprint,
        fix: "Go on with the recipe it was begun with, or start again with --restart or in another folder (--out).",
      });
    }
    for (const parameter of parameters) {
      const values = await read(file, `parameter ${parameter.name}`, parameter.elements);
      (parameter.owner as Storage).write(parameter, values);
    }
    const moments: Record<string, Float32Array> = {};
    for (const [name, values] of Object.entries(optimizer.save().moments))
      moments[name] = await read(file, `moment ${name}`, values.length);
    optimizer.load({ steps: Number(file.metadata.get("safetensors.optimizerSteps")), moments });
    const best = new Map<string, Float32Array>();
    for (const { name, elements: count } of parameters)
      if (file.tensors.has(`best ${name}`)) best.set(name, await read(file, `best ${name}`, count));
    return { state, best };
  } finally {
    await file.close();
  }
}

/** A copy of a parameter's values. */
export function valuesOf(parameter: Tensor): Float32Array {
  const values = new Float32Array(parameter.elements);
  if (!(parameter.owner instanceof Storage)) throw new Error(`${parameter.name} lies in no storage`);
  parameter.owner.read(parameter, values);
  return values;
}

function entry(name: string, values: Float32Array): SafetensorsTensor {
  const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, dtype: "f32", shape: [values.length], data };
}

function isFinite32(bytes: Uint8Array): boolean {
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  let sum = 0;
  for (const value of values) sum += value - value;
  return sum === 0;
}

function readState(file: WeightFile): RunState {
  const text = file.metadata.get("safetensors.state");
  try {
    const state = JSON.parse(String(text)) as RunState;
    if (Number.isInteger(state.step) && typeof state.fingerprint === "string") return state;
  } catch {
    // Reported below.
  }
  throw new QuireError("bad-file", `${file.path} is no checkpoint of a training run.`, {
    fix: "Start again with --restart or in another folder (--out).",
  });
}

async function read(file: WeightFile, name: string, count: number): Promise<Float32Array> {
  const found = file.tensors.get(name);
  if (found === undefined || found.dtype !== "f32" || elements(found.shape) !== count) {
    throw new QuireError("bad-file", `${file.path}: ${name} is missing or has another size.`, {
      got: found?.shape,
      expected: count,
      fix: "The checkpoint is of another model: start again with --restart.",
    });
  }
  const values = new Float32Array(count);
  await file.read(found, 0, new Uint8Array(values.buffer));
  return values;
}
