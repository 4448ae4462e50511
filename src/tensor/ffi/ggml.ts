import koffi, { type LibraryHandle } from "koffi";
import { nativeLibraries } from "./library.js";

/** The functions of ggml that Quire calls, with their C signatures in one table; TypeScript's types follow from it. Pointers are
 *  plain numbers (user-space addresses fit in 53 bits), which makes a call about 0.4 microseconds. `data` arguments take a typed
 *  array. Nothing here checks anything: operations do, before they call. */

interface NativeTypes {
  ptr: number;
  data: ArrayBufferView | null;
  i32: number;
  u32: number;
  i64: number;
  size: number;
  f32: number;
  bool: boolean;
  str: string;
  void: undefined;
}

const koffiTypes = {
  ptr: "uintptr_t",
  data: "void *",
  i32: "int",
  u32: "uint32_t",
  i64: "int64_t",
  size: "size_t",
  f32: "float",
  bool: "bool",
  str: "str",
  void: "void",
} as const satisfies Record<keyof NativeTypes, string>;

type NativeType = keyof NativeTypes;
type Signature = readonly [result: NativeType, ...arguments: NativeType[]];
type Arguments<S extends Signature> = S extends readonly [NativeType, ...infer Rest]
  ? { -readonly [I in keyof Rest]: Rest[I] extends NativeType ? NativeTypes[Rest[I]] : never }
  : never;
type Native<S extends Signature> = (...args: Arguments<S>) => NativeTypes[S[0]];

const unary = ["ptr", "ptr", "ptr"] as const;
const binary = ["ptr", "ptr", "ptr", "ptr"] as const;
const withNumber = ["ptr", "ptr", "ptr", "f32"] as const;

const baseSignatures = {
  ggml_free: ["void", "ptr"],
  ggml_tensor_overhead: ["size"],
  ggml_graph_overhead_custom: ["size", "size", "bool"],
  ggml_new_tensor_4d: ["ptr", "ptr", "i32", "i64", "i64", "i64", "i64"],
  ggml_set_name: ["ptr", "ptr", "str"],
  ggml_set_input: ["void", "ptr"],
  ggml_set_output: ["void", "ptr"],
  ggml_nbytes: ["size", "ptr"],
  ggml_get_data: ["ptr", "ptr"],
  ggml_new_graph_custom: ["ptr", "ptr", "size", "bool"],
  ggml_build_forward_expand: ["void", "ptr", "ptr"],
  ggml_graph_n_nodes: ["i32", "ptr"],
  ggml_graph_node: ["ptr", "ptr", "i32"],
  // elementwise
  ggml_add: binary,
  ggml_sub: binary,
  ggml_mul: binary,
  ggml_div: binary,
  ggml_add_id: ["ptr", "ptr", "ptr", "ptr", "ptr"],
  ggml_sqr: unary,
  ggml_sqrt: unary,
  ggml_log: unary,
  ggml_sin: unary,
  ggml_cos: unary,
  ggml_abs: unary,
  ggml_sgn: unary,
  ggml_neg: unary,
  ggml_step: unary,
  ggml_tanh: unary,
  ggml_elu: unary,
  ggml_relu: unary,
  ggml_leaky_relu: ["ptr", "ptr", "ptr", "f32", "bool"],
  ggml_sigmoid: unary,
  ggml_gelu: unary,
  ggml_gelu_erf: unary,
  ggml_gelu_quick: unary,
  ggml_silu: unary,
  ggml_silu_back: binary,
  ggml_exp: unary,
  ggml_expm1: unary,
  ggml_softplus: unary,
  ggml_floor: unary,
  ggml_ceil: unary,
  ggml_round: unary,
  ggml_trunc: unary,
  ggml_scale: withNumber,
  ggml_scale_bias: ["ptr", "ptr", "ptr", "f32", "f32"],
  ggml_clamp: ["ptr", "ptr", "ptr", "f32", "f32"],
  ggml_fill: withNumber,
  // gated
  ggml_swiglu: unary,
  ggml_swiglu_split: binary,
  ggml_geglu: unary,
  ggml_geglu_split: binary,
  ggml_geglu_erf: unary,
  ggml_geglu_erf_split: binary,
  ggml_reglu: unary,
  ggml_reglu_split: binary,
  // norms
  ggml_norm: withNumber,
  ggml_rms_norm: withNumber,
  ggml_rms_norm_back: ["ptr", "ptr", "ptr", "ptr", "f32"],
  ggml_l2_norm: withNumber,
  ggml_group_norm: ["ptr", "ptr", "ptr", "i32", "f32"],
  // products
  ggml_mul_mat: binary,
  ggml_mul_mat_set_prec: ["void", "ptr", "i32"],
  ggml_mul_mat_id: ["ptr", "ptr", "ptr", "ptr", "ptr"],
  ggml_out_prod: binary,
  ggml_solve_tri: ["ptr", "ptr", "ptr", "ptr", "bool", "bool", "bool"],
  // reductions
  ggml_sum: unary,
  ggml_sum_rows: unary,
  ggml_mean: unary,
  ggml_cumsum: unary,
  ggml_argmax: unary,
  ggml_repeat_back: binary,
  // shapes
  ggml_reshape_4d: ["ptr", "ptr", "ptr", "i64", "i64", "i64", "i64"],
  ggml_view_4d: ["ptr", "ptr", "ptr", "i64", "i64", "i64", "i64", "size", "size", "size", "size"],
  ggml_permute: ["ptr", "ptr", "ptr", "i32", "i32", "i32", "i32"],
  ggml_cont: unary,
  ggml_cont_4d: ["ptr", "ptr", "ptr", "i64", "i64", "i64", "i64"],
  ggml_cast: ["ptr", "ptr", "ptr", "i32"],
  ggml_cpy: binary,
  ggml_concat: ["ptr", "ptr", "ptr", "ptr", "i32"],
  ggml_repeat_4d: ["ptr", "ptr", "ptr", "i64", "i64", "i64", "i64"],
  ggml_pad_ext: ["ptr", "ptr", "ptr", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"],
  ggml_roll: ["ptr", "ptr", "ptr", "i32", "i32", "i32", "i32"],
  ggml_tri: ["ptr", "ptr", "ptr", "i32"],
  ggml_diag: unary,
  // indices
  ggml_get_rows: binary,
  ggml_get_rows_back: ["ptr", "ptr", "ptr", "ptr", "ptr"],
  ggml_set_rows: ["ptr", "ptr", "ptr", "ptr", "ptr"],
  ggml_argsort: ["ptr", "ptr", "ptr", "i32"],
  ggml_top_k: ["ptr", "ptr", "ptr", "i32"],
  ggml_arange: ["ptr", "ptr", "f32", "f32", "f32"],
  // attention and recurrences
  ggml_soft_max_ext: ["ptr", "ptr", "ptr", "ptr", "f32", "f32"],
  ggml_soft_max_ext_back: ["ptr", "ptr", "ptr", "ptr", "f32", "f32"],
  ggml_diag_mask_inf: ["ptr", "ptr", "ptr", "i32"],
  ggml_flash_attn_ext: ["ptr", "ptr", "ptr", "ptr", "ptr", "ptr", "f32", "f32", "f32"],
  ggml_flash_attn_ext_set_prec: ["void", "ptr", "i32"],
  ggml_rope_ext: ["ptr", "ptr", "ptr", "ptr", "ptr", "i32", "i32", "i32", "f32", "f32", "f32", "f32", "f32", "f32"],
  ggml_rope_ext_back: [
    "ptr",
    "ptr",
    "ptr",
    "ptr",
    "ptr",
    "i32",
    "i32",
    "i32",
    "f32",
    "f32",
    "f32",
    "f32",
    "f32",
    "f32",
  ],
  ggml_ssm_conv: binary,
  ggml_gated_linear_attn: ["ptr", "ptr", "ptr", "ptr", "ptr", "ptr", "ptr", "f32"],
  ggml_gated_delta_net: ["ptr", "ptr", "ptr", "ptr", "ptr", "ptr", "ptr", "ptr", "i64"],
  // allocation
  ggml_gallocr_new: ["ptr", "ptr"],
  ggml_gallocr_free: ["void", "ptr"],
  ggml_gallocr_reserve: ["bool", "ptr", "ptr"],
  ggml_gallocr_alloc_graph: ["bool", "ptr", "ptr"],
  ggml_gallocr_get_buffer_size: ["size", "ptr", "i32"],
  ggml_backend_alloc_ctx_tensors_from_buft: ["ptr", "ptr", "ptr"],
  ggml_backend_alloc_ctx_tensors_from_buft_size: ["size", "ptr", "ptr"],
  // backends
  ggml_backend_free: ["void", "ptr"],
  ggml_backend_name: ["str", "ptr"],
  ggml_backend_synchronize: ["void", "ptr"],
  ggml_backend_graph_compute: ["i32", "ptr", "ptr"],
  ggml_backend_supports_op: ["bool", "ptr", "ptr"],
  ggml_backend_get_default_buffer_type: ["ptr", "ptr"],
  ggml_backend_dev_name: ["str", "ptr"],
  ggml_backend_dev_description: ["str", "ptr"],
  ggml_backend_dev_type: ["i32", "ptr"],
  ggml_backend_dev_memory: ["void", "ptr", "data", "data"],
  ggml_backend_dev_init: ["ptr", "ptr", "str"],
  ggml_backend_dev_backend_reg: ["ptr", "ptr"],
  ggml_backend_dev_supports_op: ["bool", "ptr", "ptr"],
  ggml_backend_reg_get_proc_address: ["ptr", "ptr", "str"],
  ggml_backend_buft_alloc_buffer: ["ptr", "ptr", "size"],
  ggml_backend_buft_is_host: ["bool", "ptr"],
  ggml_backend_buft_name: ["str", "ptr"],
  ggml_backend_buffer_free: ["void", "ptr"],
  ggml_backend_buffer_get_size: ["size", "ptr"],
  ggml_backend_buffer_clear: ["void", "ptr", "i32"],
  ggml_backend_tensor_set: ["void", "ptr", "data", "size", "size"],
  ggml_backend_tensor_get: ["void", "ptr", "data", "size", "size"],
  // number formats
  ggml_quantize_chunk: ["size", "i32", "data", "data", "i64", "i64", "i64", "data"],
  ggml_quantize_requires_imatrix: ["bool", "i32"],
  ggml_threadpool_params_init: ["void", "data", "i32"],
} as const satisfies Record<string, Signature>;

const registrySignatures = {
  ggml_backend_dev_count: ["size"],
  ggml_backend_dev_get: ["ptr", "size"],
} as const satisfies Record<string, Signature>;

type Bound<Table extends Record<string, Signature>> = { readonly [Name in keyof Table]: Native<Table[Name]> };

export interface Ggml extends Bound<typeof baseSignatures>, Bound<typeof registrySignatures> {
  init(sizeBytes: number): number;
  /** Runs the graph on another thread; the number is ggml's status, 0 = done, 1 = aborted. */
  compute(backend: number, graph: number): Promise<number>;
  /** The same on this thread, which waits. */
  computeNow(backend: number, graph: number): number;
  /** Memory at an address, without a copy. Valid while what lies there is. */
  memory(address: number, sizeBytes: number): ArrayBuffer;
  /** A C string at an address. */
  text(address: number): string;
  /** A function that a backend offers under a name, or undefined. */
  backendFunction<S extends Signature>(registry: number, name: string, signature: S): Native<S> | undefined;
  /** Address of an exported symbol of the base library. */
  address(symbol: string): number;
}

let bound: Ggml | undefined;

export function ggml(): Ggml {
  bound ??= bind();
  return bound;
}

function bind(): Ggml {
  const { base, registry } = nativeLibraries();
  const initParams = koffi.struct({ memorySize: "size_t", memoryBuffer: "uintptr_t", noAlloc: "bool" });
  const init = base.func("ggml_init", "uintptr_t", [initParams]);
  const compute = base.func("ggml_backend_graph_compute", "int", ["uintptr_t", "uintptr_t"]);
  const procAddress = base.func("ggml_backend_reg_get_proc_address", "uintptr_t", ["uintptr_t", "str"]);
  return {
    ...bindTable(base, baseSignatures),
    ...bindTable(registry, registrySignatures),
    init: (sizeBytes) => init({ memorySize: sizeBytes, memoryBuffer: 0, noAlloc: true }) as number,
    compute: (backend, graph) =>
      new Promise((resolve, reject) => {
        compute.async(backend, graph, (error: Error | null, status: number) =>
          error ? reject(error) : resolve(status),
        );
      }),
    computeNow: (backend, graph) => compute(backend, graph) as number,
    memory: (address, sizeBytes) => koffi.view(address, sizeBytes),
    text: (address) => koffi.decode(address, "char", -1) as string,
    backendFunction: (reg, name, signature) => {
      const address = procAddress(reg, name) as number;
      if (address === 0) return undefined;
      const [result, ...args] = signature;
      return koffi.decode(
        address,
        koffi.proto(
          koffiTypes[result],
          args.map((argument) => koffiTypes[argument]),
        ),
      ) as Native<typeof signature>;
    },
    address: (symbol) => Number(base.symbol(symbol)),
  };
}

function bindTable<Table extends Record<string, Signature>>(library: LibraryHandle, table: Table): Bound<Table> {
  const functions = Object.entries(table).map(([name, [result, ...args]]) => [
    name,
    library.func(
      name,
      koffiTypes[result],
      args.map((argument) => koffiTypes[argument]),
    ),
  ]);
  return Object.fromEntries(functions) as Bound<Table>;
}
