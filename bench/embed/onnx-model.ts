import { writeFile } from "node:fs/promises";
import type { TensorEntry, WeightFile } from "../../src/weights/weight-file.js";

/** Writes a BERT of safetensors as ONNX, in the operations that the usual exporters write, because onnxruntime reads nothing else.
 *  Inputs input_ids, attention_mask and token_type_ids, output last_hidden_state. */

export async function writeOnnxBert(file: WeightFile, path: string): Promise<void> {
  const graph = new GraphWriter();
  await addBert(graph, file);
  await writeFile(path, graph.finish());
}

async function addBert(graph: GraphWriter, file: WeightFile): Promise<void> {
  const number = (name: string) => Number(file.metadata.get(name));
  const heads = number("num_attention_heads");
  const width = number("hidden_size");
  const headWidth = width / heads;
  const epsilon = number("layer_norm_eps");

  const weight = async (name: string, transposed = false): Promise<string> => {
    const entry = file.tensors.get(name);
    if (entry === undefined || entry.dtype !== "f32") throw new Error(`The model has no f32 tensor ${name}.`);
    const bytes = new Uint8Array(entry.sizeBytes);
    await file.read(entry, 0, bytes);
    return transposed
      ? graph.floats(transpose(bytes, entry), [...entry.shape].reverse())
      : graph.floats(bytes, entry.shape);
  };
  const dense = async (x: string, name: string) =>
    graph.op("Add", [graph.op("MatMul", [x, await weight(`${name}.weight`, true)]), await weight(`${name}.bias`)]);
  const norm = async (x: string, name: string) =>
    graph.op("LayerNormalization", [x, await weight(`${name}.weight`), await weight(`${name}.bias`)], {
      axis: -1,
      epsilon,
    });

  const zero = graph.integers([0]);
  const length = graph.op("Slice", [graph.op("Shape", ["input_ids"]), graph.integers([1]), graph.integers([2]), zero]);
  const words = graph.op("Gather", [await weight("embeddings.word_embeddings.weight"), "input_ids"]);
  const segments = graph.op("Gather", [await weight("embeddings.token_type_embeddings.weight"), "token_type_ids"]);
  const places = graph.op("Slice", [await weight("embeddings.position_embeddings.weight"), zero, length, zero]);
  let x = await norm(graph.op("Add", [graph.op("Add", [words, segments]), places]), "embeddings.LayerNorm");

  const seen = graph.op("Unsqueeze", ["attention_mask", graph.integers([1, 2])]);
  const unseen = graph.op("Sub", [graph.scalar(1), graph.op("Cast", [seen], { to: types.float })]);
  const mask = graph.op("Mul", [unseen, graph.scalar(-3.4028234663852886e38)]);
  const split = graph.integers([0, 0, heads, headWidth]);
  const merged = graph.integers([0, 0, width]);
  for (let layer = 0; layer < number("num_hidden_layers"); layer++) {
    const name = (part: string) => `encoder.layer.${layer}.${part}`;
    const part = async (which: string, perm: number[]) =>
      graph.op("Transpose", [graph.op("Reshape", [await dense(x, name(`attention.self.${which}`)), split])], { perm });
    const queries = await part("query", [0, 2, 1, 3]);
    const keys = await part("key", [0, 2, 3, 1]);
    const values = await part("value", [0, 2, 1, 3]);
    const scores = graph.op("Div", [graph.op("MatMul", [queries, keys]), graph.scalar(Math.sqrt(headWidth))]);
    const shares = graph.op("Softmax", [graph.op("Add", [scores, mask])], { axis: -1 });
    const attended = graph.op("Transpose", [graph.op("MatMul", [shares, values])], { perm: [0, 2, 1, 3] });
    const projected = await dense(graph.op("Reshape", [attended, merged]), name("attention.output.dense"));
    x = await norm(graph.op("Add", [projected, x]), name("attention.output.LayerNorm"));
    const inner = await dense(x, name("intermediate.dense"));
    const erf = graph.op("Erf", [graph.op("Div", [inner, graph.scalar(Math.SQRT2)])]);
    const gelu = graph.op("Mul", [
      graph.op("Mul", [inner, graph.op("Add", [erf, graph.scalar(1)])]),
      graph.scalar(0.5),
    ]);
    x = await norm(graph.op("Add", [await dense(gelu, name("output.dense")), x]), name("output.LayerNorm"));
  }
  graph.output(graph.op("Identity", [x]), width);
}

function transpose(bytes: Uint8Array, { shape: [rows = 1, columns = 1] }: TensorEntry): Uint8Array {
  const from = new Float32Array(bytes.buffer, bytes.byteOffset, rows * columns);
  const to = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) to[column * rows + row] = from[row * columns + column]!;
  }
  return new Uint8Array(to.buffer);
}

/** Numbers of onnx.proto. */
const types = { float: 1, int64: 7 };
const attributeTypes = { float: 1, int: 2, ints: 7 };

type Attributes = Record<string, number | number[]>;

/** Messages of onnx.proto, in protobuf's wire form. */
class GraphWriter {
  readonly #parts: Buffer[] = [];
  #names = 0;

  floats(bytes: Uint8Array, shape: readonly number[]): string {
    return this.#constant(types.float, shape, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  scalar(value: number): string {
    return this.floats(new Uint8Array(Float32Array.of(value).buffer), []);
  }

  integers(values: number[]): string {
    return this.#constant(types.int64, [values.length], Buffer.from(BigInt64Array.from(values, BigInt).buffer));
  }

  op(type: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const output = this.#name();
    const node = Buffer.concat([
      ...inputs.map((input) => field(1, input)),
      field(2, output),
      field(3, `n_${output}`),
      field(4, type),
      ...Object.entries(attributes).map(([name, value]) => field(5, attribute(name, value, type))),
    ]);
    this.#parts.push(field(1, node));
    return output;
  }

  output(name: string, width: number): void {
    this.#parts.push(
      field(1, Buffer.concat([field(1, name), field(2, "last_hidden_state"), field(4, "Identity")])),
      field(12, valueInfo("last_hidden_state", types.float, ["batch", "sequence", width])),
    );
  }

  finish(): Buffer {
    const inputs = ["input_ids", "attention_mask", "token_type_ids"].map((name) =>
      field(11, valueInfo(name, types.int64, ["batch", "sequence"])),
    );
    const graph = Buffer.concat([...this.#parts, field(2, "bert"), ...inputs]);
    return Buffer.concat([field(1, 8), field(7, graph), field(8, field(2, 17))]);
  }

  #constant(type: number, shape: readonly number[], bytes: Buffer): string {
    const name = this.#name();
    const tensor = [...shape.map((extent) => field(1, extent)), field(2, type), field(8, name), field(9, bytes)];
    this.#parts.push(field(5, Buffer.concat(tensor)));
    return name;
  }

  #name(): string {
    return `t${++this.#names}`;
  }
}

function attribute(name: string, value: number | number[], type: string): Buffer {
  const head = field(1, name);
  if (Array.isArray(value)) {
    return Buffer.concat([head, field(20, attributeTypes.ints), ...value.map((item) => field(8, item))]);
  }
  if (name === "epsilon") {
    const bytes = Buffer.alloc(5);
    bytes[0] = (2 << 3) | 5;
    bytes.writeFloatLE(value, 1);
    return Buffer.concat([head, field(20, attributeTypes.float), bytes]);
  }
  if (!Number.isInteger(value)) throw new Error(`${type}: ${name} is no whole number.`);
  return Buffer.concat([head, field(20, attributeTypes.int), field(3, value)]);
}

function valueInfo(name: string, type: number, shape: readonly (string | number)[]): Buffer {
  const extents = shape.map((extent) => field(1, typeof extent === "string" ? field(2, extent) : field(1, extent)));
  const tensor = Buffer.concat([field(1, type), field(2, Buffer.concat(extents))]);
  return Buffer.concat([field(1, name), field(2, field(1, tensor))]);
}

/** One field of a message: a number as a varint, else bytes with their length. */
function field(id: number, value: number | string | Buffer): Buffer {
  if (typeof value === "number")
    return Buffer.concat([varint(BigInt(id << 3)), varint(BigInt.asUintN(64, BigInt(value)))]);
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return Buffer.concat([varint(BigInt((id << 3) | 2)), varint(BigInt(bytes.byteLength)), bytes]);
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
}
