/** BERT written down as plainly as possible, in f64, for tests: hidden states of one text from tensors under their published
 *  names (without "bert."). Shares nothing with the engine. */

export interface PlainBert {
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
  readonly inner: number;
  readonly epsilon: number;
  readonly activation: "gelu" | "gelu_new" | "relu";
  tensor(name: string): ArrayLike<number>;
}

export function plainBert(model: PlainBert, tokens: ArrayLike<number>): Float64Array[] {
  const { layers, heads, width, inner, epsilon, tensor } = model;
  const words = tensor("embeddings.word_embeddings.weight");
  const places = tensor("embeddings.position_embeddings.weight");
  const segments = tensor("embeddings.token_type_embeddings.weight");
  const norm = (x: Float64Array, name: string) =>
    layerNorm(x, tensor(`${name}.weight`), tensor(`${name}.bias`), epsilon);
  const dense = (x: Float64Array, name: string, rows: number) =>
    multiply(x, tensor(`${name}.weight`), tensor(`${name}.bias`), rows);
  let states = Array.from(tokens, (token, at) =>
    norm(
      Float64Array.from(
        { length: width },
        (_, i) => words[token * width + i]! + places[at * width + i]! + segments[i]!,
      ),
      "embeddings.LayerNorm",
    ),
  );
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string) => `encoder.layer.${layer}.${part}`;
    const [q, k, v] = ["query", "key", "value"].map((part) =>
      states.map((x) => dense(x, name(`attention.self.${part}`), width)),
    ) as [Float64Array[], Float64Array[], Float64Array[]];
    states = states.map((x, at) => {
      const attended = attend(q[at]!, k, v, heads);
      const projected = dense(attended, name("attention.output.dense"), width);
      const middle = norm(sum(x, projected), name("attention.output.LayerNorm"));
      const raised = dense(middle, name("intermediate.dense"), inner).map(activations[model.activation]);
      return norm(sum(middle, dense(raised, name("output.dense"), width)), name("output.LayerNorm"));
    });
  }
  return states;
}

function multiply(x: Float64Array, weight: ArrayLike<number>, bias: ArrayLike<number>, rows: number): Float64Array {
  const result = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    let total = bias[row]!;
    for (let i = 0; i < x.length; i++) total += x[i]! * weight[row * x.length + i]!;
    result[row] = total;
  }
  return result;
}

function sum(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + b[i]!);
}

function layerNorm(x: Float64Array, weight: ArrayLike<number>, bias: ArrayLike<number>, epsilon: number): Float64Array {
  const mean = x.reduce((total, value) => total + value, 0) / x.length;
  const variance = x.reduce((total, value) => total + (value - mean) ** 2, 0) / x.length;
  return x.map((value, i) => ((value - mean) / Math.sqrt(variance + epsilon)) * weight[i]! + bias[i]!);
}

function attend(query: Float64Array, keys: Float64Array[], values: Float64Array[], heads: number): Float64Array {
  const headWidth = query.length / heads;
  const result = new Float64Array(query.length);
  for (let head = 0; head < heads; head++) {
    const from = head * headWidth;
    const scores = keys.map((key) => {
      let dot = 0;
      for (let i = from; i < from + headWidth; i++) dot += query[i]! * key[i]!;
      return dot / Math.sqrt(headWidth);
    });
    const most = Math.max(...scores);
    const shares = scores.map((score) => Math.exp(score - most));
    const total = shares.reduce((a, b) => a + b, 0);
    for (const [at, value] of values.entries()) {
      for (let i = from; i < from + headWidth; i++) result[i]! += (shares[at]! / total) * value[i]!;
    }
  }
  return result;
}

const activations = {
  gelu: (x: number) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  gelu_new: (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  relu: (x: number) => Math.max(x, 0),
};

/** The series near 0, a continued fraction beyond. */
function erf(x: number): number {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 3) {
    let term = x;
    let total = x;
    for (let n = 1; Math.abs(term) > 1e-18 && n < 200; n++) {
      term *= -(x * x) / n;
      total += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * total;
  }
  let fraction = size;
  for (let n = 60; n >= 1; n--) fraction = size + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-size * size) / Math.sqrt(Math.PI) / fraction);
}

export function cosineDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0;
  let squaresA = 0;
  let squaresB = 0;
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    squaresA += a[i]! ** 2;
    squaresB += b[i]! ** 2;
  }
  return 1 - dot / Math.sqrt(squaresA * squaresB);
}
