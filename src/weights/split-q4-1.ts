import type { Device } from "../tensor/device.js";
import { dtypes } from "../tensor/dtype.js";
import { contiguous } from "../tensor/operand.js";
import { blockSums } from "../tensor/ops/block-sums.js";
import { Storage } from "../tensor/storage.js";
import { Tensor } from "../tensor/tensor.js";
import { halfToFloat } from "./to-float32.js";

/** Processors multiply q4_0 in an order of its own, several rows at once, but q4_1 only row by row. A weight d·q + m of q4_1 is
 *  d·(q - 8), which q4_0 holds as it is, and m + 8·d, the same for a block of 32: what it adds to a product is a block's sum times it.
 *  The result is that of q4_1 but for the order in which floats are added, and a row's is the same to the bit however many rows there
 *  are. Rows behind the q4_0 part, each 1 in one block and 0 elsewhere, give the sums that belong to 8·d; q8_1's own belong to m. */

export interface SplitMatrix {
  /** q4_0 [N + sums, k], repacked. */
  readonly main: Tensor;
  /** f32 [N, 2·k/32 padded]: m, then 8·d. */
  readonly blocks: Tensor;
  readonly rows: number;
}

const block = 32;
const q40 = dtypes.q4_0.bytes;
const q41 = dtypes.q4_1.bytes;
/** Repacked matrices have a multiple of so many rows. */
const rowStep = 8;
/** ggml multiplies f32 in tiles where rows are a multiple of this. */
const widthStep = 16;

export class SplitMatrices {
  readonly #storages: Storage[] = [];

  get sizeBytes(): number {
    return this.#storages.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** A stored tensor that is multiplied by its parts; itself where that is not to be had. */
  add(device: Device, tensor: Tensor, storage: Pick<Storage, "read">): Tensor {
    const bufferType = device.repackedBufferTypes[0];
    const [rows = 0, width = 0] = tensor.shape;
    if (bufferType === undefined || tensor.rank !== 2 || rows % rowStep !== 0 || width <= block) return tensor;
    const sums = up(width / block, rowStep);
    const blocksWidth = up((2 * width) / block, widthStep);
    let main: Storage;
    try {
      main = Storage.allocate(device, [{ name: "main", dtype: "q4_0", shape: [rows + sums, width] }], bufferType);
    } catch {
      return tensor;
    }
    const blocks = Storage.allocate(device, [{ name: "blocks", dtype: "f32", shape: [rows, blocksWidth] }]);
    this.#storages.push(main, blocks);
    const bytes = new Uint8Array(tensor.sizeBytes);
    storage.read(tensor, bytes);
    const parts = split(bytes, rows, width, sums, blocksWidth);
    main.write(main.tensor("main"), parts.main);
    blocks.write(blocks.tensor("blocks"), parts.blocks);
    const matrix = { main: main.tensor("main"), blocks: blocks.tensor("blocks"), rows };
    return new Tensor({ ...tensor, owner: tensor.owner, product: (x) => product(x, matrix) });
  }

  close(): void {
    for (const storage of this.#storages) storage.close();
  }
}

function product(x: Tensor, { main, blocks, rows }: SplitMatrix): Tensor {
  const { shape } = x;
  const flat = x.rank === 2 ? x : contiguous(x).reshape(-1, x.size(-1));
  const both = flat.linear(main);
  const count = flat.size(1) / block;
  const sums = blockSums(flat).concat(both.slice(1, rows, count).cont(), 1);
  // One row alone would be multiplied by another program than several, whose sums differ in the last bit.
  const more = flat.size(0) === 1 ? 1 : 0;
  const missing = blocks.size(1) - 2 * count;
  const padded = more + missing === 0 ? sums : sums.pad([0, 0], [more, missing]);
  const added = padded.linear(blocks);
  const result = (more === 0 ? added : added.slice(0, 0, 1)).add(both.slice(1, 0, rows));
  return x.rank === 2 ? result : result.reshape(...shape.slice(0, -1), rows);
}

function split(
  bytes: Uint8Array,
  rows: number,
  width: number,
  sums: number,
  blocksWidth: number,
): { main: Uint8Array; blocks: Float32Array } {
  const count = width / block;
  const main = new Uint8Array((rows + sums) * count * q40);
  const blocks = new Float32Array(rows * blocksWidth);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < count; i++) {
      const at = (row * count + i) * q41;
      const to = (row * count + i) * q40;
      main[to] = bytes[at] as number;
      main[to + 1] = bytes[at + 1] as number;
      for (let k = 0; k < block / 2; k++) main[to + 2 + k] = bytes[at + 4 + k] as number;
      blocks[row * blocksWidth + i] = halfToFloat(view.getUint16(at + 2, true));
      blocks[row * blocksWidth + count + i] = 8 * halfToFloat(view.getUint16(at, true));
    }
  }
  // Row b behind them: 1 · (9 - 8) in block b; where d is 0 the rest means nothing.
  for (let b = 0; b < count; b++) {
    const to = ((rows + b) * count + b) * q40;
    main[to + 1] = 0x3c;
    main.fill(0x99, to + 2, to + q40);
  }
  return { main, blocks };
}

function up(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
