/** Element types as ggml numbers and stores them: `block` elements share `bytes` bytes. The table is checked against the loaded
 *  library when it is opened (`ffi/library.ts`), so a library with other layouts is refused instead of misread. */
export const dtypes = {
  f32: { id: 0, block: 1, bytes: 4 },
  f16: { id: 1, block: 1, bytes: 2 },
  q4_0: { id: 2, block: 32, bytes: 18 },
  q4_1: { id: 3, block: 32, bytes: 20 },
  q5_0: { id: 6, block: 32, bytes: 22 },
  q5_1: { id: 7, block: 32, bytes: 24 },
  q8_0: { id: 8, block: 32, bytes: 34 },
  q8_1: { id: 9, block: 32, bytes: 36 },
  q2_k: { id: 10, block: 256, bytes: 84 },
  q3_k: { id: 11, block: 256, bytes: 110 },
  q4_k: { id: 12, block: 256, bytes: 144 },
  q5_k: { id: 13, block: 256, bytes: 176 },
  q6_k: { id: 14, block: 256, bytes: 210 },
  q8_k: { id: 15, block: 256, bytes: 292 },
  iq2_xxs: { id: 16, block: 256, bytes: 66 },
  iq2_xs: { id: 17, block: 256, bytes: 74 },
  iq3_xxs: { id: 18, block: 256, bytes: 98 },
  iq1_s: { id: 19, block: 256, bytes: 50 },
  iq4_nl: { id: 20, block: 32, bytes: 18 },
  iq3_s: { id: 21, block: 256, bytes: 110 },
  iq2_s: { id: 22, block: 256, bytes: 82 },
  iq4_xs: { id: 23, block: 256, bytes: 136 },
  i8: { id: 24, block: 1, bytes: 1 },
  i16: { id: 25, block: 1, bytes: 2 },
  i32: { id: 26, block: 1, bytes: 4 },
  i64: { id: 27, block: 1, bytes: 8 },
  f64: { id: 28, block: 1, bytes: 8 },
  iq1_m: { id: 29, block: 256, bytes: 56 },
  bf16: { id: 30, block: 1, bytes: 2 },
  tq1_0: { id: 34, block: 256, bytes: 54 },
  tq2_0: { id: 35, block: 256, bytes: 66 },
  mxfp4: { id: 39, block: 32, bytes: 17 },
  nvfp4: { id: 40, block: 64, bytes: 36 },
  q1_0: { id: 41, block: 128, bytes: 18 },
  q2_0: { id: 42, block: 64, bytes: 18 },
} as const satisfies Record<string, { id: number; block: number; bytes: number }>;

export type DType = keyof typeof dtypes;

const byId = new Map<number, DType>(Object.entries(dtypes).map(([name, { id }]) => [id, name as DType]));

export function dtypeOfId(id: number): DType | undefined {
  return byId.get(id);
}

export function isQuantised(dtype: DType): boolean {
  return dtypes[dtype].block > 1;
}

/** ggml uses these two for activations inside products only, and cannot turn them into f32. */
export function isReadable(dtype: DType): boolean {
  return dtype !== "q8_1" && dtype !== "q8_k";
}

/** Bytes of a row of `width` elements; `width` must be a multiple of the block. */
export function rowBytes(dtype: DType, width: number): number {
  const { block, bytes } = dtypes[dtype];
  return (width / block) * bytes;
}
