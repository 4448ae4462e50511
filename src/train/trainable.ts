import { QuireError } from "../errors.js";
import type { Architecture, ModelConfig, ParameterSpec } from "../models/architecture.js";
import { architectureOf } from "../models/registry.js";
import type { Device } from "../tensor/device.js";
import { RandomStream } from "../tensor/random.js";
import { elements, type Shape } from "../tensor/shape.js";
import { Storage } from "../tensor/storage.js";
import type { Tensor } from "../tensor/tensor.js";
import { readAsFloat32 } from "../weights/dequantise.js";
import type { Stacked, WeightRequest, Weights } from "../weights/load.js";
import type { MetadataValue, WeightFile } from "../weights/weight-file.js";

/** A model whose weights are learnt: the same architecture that serves, over f32 parameters that an optimiser changes in place.
 *  Weights that share their input lie stacked, as when serving, and are one parameter; saved files hold them one by one. */

/** What a training pass needs. Who trains something else than all weights (adapters) makes one of these. */
export interface TrainableModel {
  readonly architecture: Architecture;
  readonly config: ModelConfig;
  readonly device: Device;
  readonly weights: Weights;
  /** f32 tensors in a storage, in the optimiser's order. */
  readonly parameters: readonly Tensor[];
}

export interface Trainable extends TrainableModel {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** What files of this model call the members of a parameter. */
  readonly members: ReadonlyMap<string, readonly ParameterMember[]>;
  readonly count: number;
  decays(parameter: Tensor): boolean;
  close(): void;
}

/** Rows `start` on of a parameter are a weight of this name and shape. */
export interface ParameterMember {
  readonly name: string;
  readonly shape: Shape;
  /** In elements. */
  readonly start: number;
  /** Its names in files, GGUF's first. */
  readonly from: readonly string[];
}

/** A new model with random weights. `metadata` holds the fields from which the architecture reads its configuration, under their
 *  GGUF names without the architecture's, and `vocab_size`. Equal seeds give equal weights. */
export function newTrainable(
  architecture: Architecture,
  metadata: ReadonlyMap<string, MetadataValue>,
  device: Device,
  seed: number,
): Trainable {
  if (architecture.parameters === undefined) {
    throw new QuireError("unsupported", `${architecture.name} cannot be trained from nothing.`, {
      got: architecture.name,
      fix: "Start from a trained model of this architecture.",
    });
  }
  const file = unwritten(architecture.name, metadata);
  const config = architecture.readConfig(file);
  const specs = new Map(architecture.parameters(config).map((spec) => [spec.name, spec]));
  const requests = architecture.weights(config, file);
  const unknown = [...specs.keys()].find((name) => !requests.some((request) => request.name === name));
  if (unknown !== undefined) throw new Error(`${architecture.name} has no weight ${unknown}`);
  const kept = requests.filter(({ name, values }) => values !== undefined || specs.has(name));
  const made = allocate(kept, device, specs);
  made.fill((member) => firstValues(specs.get(member.name) as ParameterSpec, seed));
  return { architecture, config, device, metadata: file.metadata, ...made.parts };
}

/** A trained model to go on with; its weights become f32. */
export async function loadTrainable(file: WeightFile, device: Device): Promise<Trainable> {
  const architecture = architectureOf(file);
  const config = architecture.readConfig(file);
  const requests = architecture.weights(config, file);
  const kept = requests.filter(({ values, from, optional }) => {
    const known = from.some((name) => file.tensors.has(name));
    return values !== undefined || known || optional !== true;
  });
  const made = allocate(kept, device, new Map());
  try {
    const values = new Map<string, Float32Array>();
    for (const members of made.parts.members.values()) {
      for (const member of members) {
        const entry = member.from.map((name) => file.tensors.get(name)).find((found) => found !== undefined);
        if (entry === undefined || elements(entry.shape) !== elements(member.shape)) {
          throw new QuireError("bad-file", `${file.path}: ${member.name} is missing or has the wrong shape.`, {
            got: entry?.shape,
            expected: member.shape,
          });
        }
        values.set(member.name, await readAsFloat32(file, entry, device));
        made.fill((one) => (one === member ? values.get(member.name) : undefined));
        values.clear();
      }
    }
  } catch (error) {
    made.parts.close();
    throw error;
  }
  return { architecture, config, device, metadata: file.metadata, ...made.parts };
}

/** A file that holds only metadata: what a new model's configuration is read from. */
function unwritten(name: string, fields: ReadonlyMap<string, MetadataValue>): WeightFile {
  const metadata = new Map<string, MetadataValue>([["general.architecture", name], ...fields]);
  return {
    format: "gguf",
    path: "the recipe",
    tensors: new Map(),
    metadata,
    sizeBytes: 0,
    read: async () => undefined,
    close: async () => undefined,
  };
}

function firstValues({ name, shape, init }: ParameterSpec, seed: number): Float32Array {
  const size = elements(shape);
  if (typeof init === "object" && "normal" in init) return new RandomStream(seed, name).normalArray(size, init.normal);
  return new Float32Array(size).fill(init === "ones" ? 1 : init === "zeros" ? 0 : init.constant);
}

interface Planned {
  readonly name: string;
  readonly group: string | undefined;
  readonly members: ParameterMember[];
  readonly shape: Shape;
  readonly decay: boolean;
}

function allocate(requests: readonly WeightRequest[], device: Device, specs: ReadonlyMap<string, ParameterSpec>) {
  const learnt = requests.filter(({ values, name }) => values === undefined && specs.get(name)?.tie === undefined);
  const tables = requests.filter(({ values }) => values !== undefined);
  const plan = stack(learnt, specs);
  const storage = Storage.allocate(device, [
    ...plan.map(({ name, shape }) => ({ name, dtype: "f32" as const, shape })),
    ...tables.map(({ name, shape }) => ({ name: `table ${name}`, dtype: "f32" as const, shape })),
  ]);
  const tensors = new Map<string, Tensor>();
  const groups = new Map<string, Stacked[]>();
  const members = new Map<string, readonly ParameterMember[]>();
  for (const planned of plan) {
    const tensor = storage.tensor(planned.name);
    members.set(planned.name, planned.members);
    if (planned.group === undefined) tensors.set(planned.name, tensor);
    else groups.set(planned.group, [{ tensor, members: planned.members.map(asRows) }]);
  }
  for (const { name, values } of tables) {
    const tensor = storage.tensor(`table ${name}`);
    storage.write(tensor, values?.() ?? new Float32Array());
    tensors.set(name, tensor);
  }
  for (const { name, tie } of specs.values()) {
    const target = tie === undefined ? undefined : tensors.get(tie);
    if (target !== undefined) tensors.set(name, target);
  }
  const parameters = plan.map(({ name }) => storage.tensor(name));
  const shrinks = new Set(plan.filter(({ decay }) => decay).map(({ name }) => name));
  const parts = {
    parameters,
    members,
    weights: weightsOf(tensors, groups, storage),
    count: parameters.reduce((sum, parameter) => sum + parameter.elements, 0),
    decays: ({ name }: Tensor) => shrinks.has(name),
    close: () => storage.close(),
  };
  const fill = (valuesOf: (member: ParameterMember) => Float32Array | undefined): void => {
    for (const planned of plan) {
      for (const member of planned.members) {
        const values = valuesOf(member);
        if (values !== undefined) storage.write(storage.tensor(planned.name), values, 4 * member.start);
      }
    }
  };
  return { parts, fill };
}

function asRows({ name, shape, start }: ParameterMember): { name: string; start: number; size: number } {
  const rows = shape[0] ?? 1;
  return { name, start: start / (elements(shape) / rows), size: rows };
}

/** Members of a group follow each other; what has no group stands alone. */
function stack(requests: readonly WeightRequest[], specs: ReadonlyMap<string, ParameterSpec>): Planned[] {
  const plan: Planned[] = [];
  for (const { name, from, shape, group, use } of requests) {
    const decay = specs.get(name)?.decay ?? use !== "vector";
    const last = plan.at(-1);
    const joins = group !== undefined && last?.group === group;
    if (joins && last !== undefined) {
      const rows = (last.shape[0] ?? 0) + (shape[0] ?? 0);
      const start = elements(last.shape);
      plan[plan.length - 1] = {
        ...last,
        shape: [rows, ...last.shape.slice(1)],
        members: [...last.members, { name, shape, start, from }],
      };
      continue;
    }
    plan.push({ name: group ?? name, group, shape, decay, members: [{ name, shape, start: 0, from }] });
  }
  return plan;
}

function weightsOf(tensors: Map<string, Tensor>, groups: Map<string, Stacked[]>, storage: Storage): Weights {
  const missing = (name: string): never => {
    throw new QuireError("not-found", `The model has no weight ${name}.`, { got: name });
  };
  return {
    get: (name) => tensors.get(name) ?? missing(name),
    optional: (name) => tensors.get(name),
    group: (name) => groups.get(name) ?? missing(name),
    has: (name) => tensors.has(name) || groups.has(name),
    sizeBytes: storage.sizeBytes,
    close: () => storage.close(),
  };
}
