import { need, needFinite, needType } from "../check.js";
import { ggml } from "../ffi/ggml.js";
import { contiguous, inGraphOf, node } from "../operand.js";
import { axisOf, sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";

/** Sequence operations that carry something from one position to the next: causal convolution, gated scans, linear attention. */

/** Depthwise causal convolution: x [b, n, d] with weight [d, taps] gives [b, n, d], the last tap on the position itself. `before`
 *  [b, taps − 1, d] are the positions before the first; left out = zeros. */
export function causalConvolution(x: Tensor, weight: Tensor, before?: Tensor): Tensor {
  const op = "causalConvolution";
  for (const tensor of [x, weight]) needType(op, tensor, ["f32"]);
  need(
    x.rank === 3 && weight.rank === 2 && weight.size(0) === x.size(2),
    op,
    "the weight does not fit",
    [x, weight],
    "[d, taps]",
  );
  const taps = weight.size(1);
  const [batch, n, d] = [x.size(0), x.size(1), x.size(2)];
  if (before !== undefined) {
    needType(op, before, ["f32"]);
    need(
      sameShape(before.shape, [batch, taps - 1, d]),
      op,
      "what lies before does not fit",
      [before, x],
      "[b, taps - 1, d]",
    );
  }
  const whole = contiguous(inGraphOf(weight, x));
  const extended =
    taps === 1
      ? whole
      : before === undefined
        ? whole.pad([0, taps - 1, 0], [0, 0, 0])
        : contiguous(inGraphOf(whole, before)).concat(whole, 1);
  const channels = extended.transpose().cont();
  const kernel = contiguous(inGraphOf(channels, weight));
  return node({
    op,
    inputs: [channels, kernel],
    dtype: "f32",
    shape: [batch, n, d],
    build: (context) => ggml().ggml_ssm_conv(context, channels.pointer, kernel.pointer),
    gradient: (dy) => {
      const dyChannels = dy.transpose().cont();
      let dx: Tensor | undefined;
      let dw: Tensor | undefined;
      for (let tap = 0; tap < taps; tap++) {
        const column = kernel.slice(1, tap, 1).cont();
        const toX = dyChannels.mul(column).pad([0, 0, tap], [0, 0, taps - 1 - tap]);
        // Over sequences and positions: [b, d, n] to [d, 1].
        const product = dyChannels
          .mul(channels.slice(2, tap, n).cont())
          .permute(1, 0, 2)
          .cont();
        const toWeight = product.reshape(d, batch * n).sumRows();
        dx = dx === undefined ? toX : dx.add(toX);
        dw = dw === undefined ? toWeight : dw.concat(toWeight, 1);
      }
      return [dx, dw];
    },
  });
}

/** h_t = decay_t · h_{t−1} + x_t along an axis, from h = 0: log₂ n rounds in which reach doubles. Equal shapes, decays at most 1. */
export function gatedScan(decay: Tensor, x: Tensor, axis: number): Tensor {
  const op = "gatedScan";
  needType(op, decay, ["f32"]);
  needType(op, x, ["f32"]);
  need(sameShape(decay.shape, x.shape), op, "decay and x differ", [decay, x], "equal shapes");
  const along = axisOf(op, x.shape, axis);
  const n = x.size(along);
  const shifted = (tensor: Tensor, by: number): Tensor => {
    const margin = x.shape.map((_, at) => (at === along ? by : 0));
    const none = x.shape.map(() => 0);
    return tensor
      .slice(along, 0, n - by)
      .cont()
      .pad(margin, none);
  };
  let sum = contiguous(inGraphOf(decay, x));
  let factor = contiguous(inGraphOf(sum, decay));
  for (let reach = 1; reach < n; reach *= 2) {
    sum = sum.add(factor.mul(shifted(sum, reach)));
    if (2 * reach < n) factor = factor.mul(shifted(factor, reach));
  }
  return sum;
}

export interface RecurrentResult {
  /** [b, n, heads, width] */
  readonly output: Tensor;
  /** The state after the last position, in the form in which it came. */
  readonly state: Tensor;
}

/** Linear attention with a decay for each channel of the key: per head S_t = diag(decay_t)·S_{t−1} + k_t v_tᵀ, output scale · S_tᵀ q_t.
 *  All [b, n, heads, width]; state [b, heads, width (of the key), width (of the value)]. The decay is the factor itself. */
export function gatedLinearAttention(
  inputs: { queries: Tensor; keys: Tensor; values: Tensor; decay: Tensor; state: Tensor },
  scale: number,
): RecurrentResult {
  const op = "gatedLinearAttention";
  const { queries, state } = inputs;
  const rows = checkSequences(op, [queries, inputs.keys, inputs.values, inputs.decay], state);
  needFinite(op, "scale", scale);
  const [batch, n, heads, width] = queries.shape as [number, number, number, number];
  const [q, k, v, g] = rows.map((tensor) =>
    contiguous(inGraphOf(queries, tensor)).reshape(batch * n, heads, width),
  ) as [Tensor, Tensor, Tensor, Tensor];
  const start = contiguous(inGraphOf(q, state)).reshape(batch, heads * width * width);
  const joined = node({
    op,
    inputs: [q, k, v, g, start],
    dtype: "f32",
    shape: [batch * n + width * batch, width * heads],
    build: (context) =>
      ggml().ggml_gated_linear_attn(context, k.pointer, v.pointer, q.pointer, g.pointer, start.pointer, scale),
    gradient: `${op} is for inference only: train with its chunked form of products and cumulative sums`,
  });
  return split(joined, queries.shape, state.shape);
}

/** The gated delta rule: per head S_t = decay_t·S_{t−1} + β_t k_t (v_t − (decay_t·S_{t−1})ᵀ k_t)ᵀ, output S_tᵀ q_t / √width. The decay
 *  comes as its logarithm, [b, n, heads, width] (one a channel of the key) or [b, n, heads, 1]; β [b, n, heads, 1]; the state is
 *  kept transposed, [b, heads, width (of the value), width (of the key)]. */
export function gatedDeltaNet(inputs: {
  queries: Tensor;
  keys: Tensor;
  values: Tensor;
  logDecay: Tensor;
  beta: Tensor;
  state: Tensor;
}): RecurrentResult {
  const op = "gatedDeltaNet";
  const { queries, logDecay, beta, state } = inputs;
  const rows = checkSequences(op, [queries, inputs.keys, inputs.values], state);
  const [batch, n, heads, width] = queries.shape as [number, number, number, number];
  const needPerHead = (tensor: Tensor, widths: readonly number[]): void => {
    needType(op, tensor, ["f32"]);
    const fits = tensor.rank === 4 && sameShape(tensor.shape.slice(0, 3), queries.shape.slice(0, 3));
    need(
      fits && widths.includes(tensor.size(3)),
      op,
      "decay or beta does not fit",
      [queries, tensor],
      `[b, n, heads, ${widths.join(" or ")}]`,
    );
  };
  needPerHead(logDecay, [1, width]);
  needPerHead(beta, [1]);
  const [q, k, v, g, b, start] = [...rows, logDecay, beta, state].map((tensor) =>
    contiguous(inGraphOf(queries, tensor)),
  ) as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
  const snapshots = 1;
  const joined = node({
    op,
    inputs: [q, k, v, g, b, start],
    dtype: "f32",
    shape: [batch * n + width * batch, width * heads],
    build: (context) =>
      ggml().ggml_gated_delta_net(
        context,
        q.pointer,
        k.pointer,
        v.pointer,
        g.pointer,
        b.pointer,
        start.pointer,
        snapshots,
      ),
    gradient: `${op} is for inference only: train with its chunked form of products and triangular solves`,
  });
  return split(joined, queries.shape, state.shape);
}

/** All alike, [b, n, heads, width], with a state [b, heads, width, width]. */
function checkSequences(op: string, tensors: readonly Tensor[], state: Tensor): readonly Tensor[] {
  const [first] = tensors;
  for (const tensor of [...tensors, state]) needType(op, tensor, ["f32"]);
  const alike = first !== undefined && first.rank === 4 && tensors.every(({ shape }) => sameShape(shape, first.shape));
  need(alike, op, "the sequences differ", tensors, "equal shapes [b, n, heads, width]");
  const [batch = 1, , heads = 1, width = 1] = first?.shape ?? [];
  need(
    sameShape(state.shape, [batch, heads, width, width]),
    op,
    "the state does not fit",
    [state, ...tensors],
    "[b, heads, width, width]",
  );
  return tensors;
}

/** ggml puts the outputs of all positions first and the states behind them. */
function split(joined: Tensor, shape: readonly number[], stateShape: readonly number[]): RecurrentResult {
  const positions = (shape[0] ?? 1) * (shape[1] ?? 1);
  return {
    output: joined.slice(0, 0, positions).reshape(...shape),
    state: joined.slice(0, positions, joined.size(0) - positions).reshape(...stateShape),
  };
}
