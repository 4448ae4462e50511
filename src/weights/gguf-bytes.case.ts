/** GGUF files put together byte by byte for tests, after the format's description and without the writer under test. */

export class Bytes {
  private readonly pieces: Buffer[] = [];

  raw(bytes: Uint8Array | string): this {
    this.pieces.push(Buffer.from(bytes as string));
    return this;
  }
  u8(value: number): this {
    return this.raw(Uint8Array.of(value));
  }
  u32(value: number): this {
    const piece = Buffer.alloc(4);
    piece.writeUInt32LE(value);
    return this.raw(piece);
  }
  u64(value: number | bigint): this {
    const piece = Buffer.alloc(8);
    piece.writeBigUInt64LE(BigInt(value));
    return this.raw(piece);
  }
  f32(value: number): this {
    const piece = Buffer.alloc(4);
    piece.writeFloatLE(value);
    return this.raw(piece);
  }
  string(text: string): this {
    return this.u64(Buffer.byteLength(text)).raw(text);
  }
  zeros(count: number): this {
    return this.raw(Buffer.alloc(count));
  }
  get size(): number {
    return this.pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
  }
  done(): Buffer {
    return Buffer.concat(this.pieces);
  }
}

export interface Info {
  name: string;
  /** Innermost first, as stored. */
  dims: (number | bigint)[];
  type: number;
  offset: number | bigint;
}

export interface Plan {
  version?: number;
  keys?: ((bytes: Bytes) => void)[];
  tensors?: Info[];
  alignment?: number;
  data?: Uint8Array;
  tensorCount?: number | bigint;
  keyCount?: number | bigint;
}

export function ggufBytes({
  version = 3,
  keys = [],
  tensors = [],
  alignment = 32,
  data,
  ...counts
}: Plan = {}): Buffer {
  const bytes = new Bytes().raw("GGUF").u32(version);
  bytes.u64(counts.tensorCount ?? tensors.length).u64(counts.keyCount ?? keys.length);
  for (const key of keys) key(bytes);
  for (const { name, dims, type, offset } of tensors) {
    bytes.string(name).u32(dims.length);
    for (const dim of dims) bytes.u64(dim);
    bytes.u32(type).u64(offset);
  }
  return bytes
    .zeros((alignment - (bytes.size % alignment)) % alignment)
    .raw(data ?? new Uint8Array(0))
    .done();
}

export const text = (key: string, value: string) => (bytes: Bytes) => void bytes.string(key).u32(8).string(value);
export const whole = (key: string, value: number) => (bytes: Bytes) => void bytes.string(key).u32(4).u32(value);

/** A tiny model of the shape that `checkModelFile` wants: two tensors, one of them in q8_0. */
export function smallModel(): Buffer {
  const data = Buffer.alloc(320);
  for (let i = 0; i < 32; i++) data.writeFloatLE(i / 4, i * 4);
  for (let block = 0; block < 4; block++) {
    data.writeUInt16LE(0x3c00, 128 + block * 34);
    for (let i = 0; i < 32; i++) data.writeInt8(i - 16, 128 + block * 34 + 2 + i);
  }
  return ggufBytes({
    keys: [
      text("general.architecture", "llama"),
      whole("llama.block_count", 1),
      whole("llama.embedding_length", 32),
      whole("llama.context_length", 64),
      (bytes) => {
        bytes.string("tokenizer.ggml.tokens").u32(9).u32(8).u64(4);
        for (const token of ["<s>", "a", "\ufeffb", "é"]) bytes.string(token);
      },
    ],
    tensors: [
      { name: "output_norm.weight", dims: [32], type: 0, offset: 0 },
      { name: "token_embd.weight", dims: [32, 4], type: 8, offset: 128 },
    ],
    data,
  });
}
