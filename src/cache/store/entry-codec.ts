import { halfToFloat } from "../../weights/to-float32.js";

/** Keys and values as stored, to and from f32. What is decoded must be a copy: f32 stays where it is. */

export type CacheType = "f16" | "f32" | "q8_0";

const blockSize = 32;
const blockBytes = 34;

export function decodeEntries(type: CacheType, bytes: Uint8Array): Float32Array {
  if (type === "f32") return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  if (type === "f16") {
    const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
    const table = halfTable();
    const result = new Float32Array(halves.length);
    for (let i = 0; i < halves.length; i++) result[i] = table[halves[i] as number] as number;
    return result;
  }
  const blocks = bytes.byteLength / blockBytes;
  const result = new Float32Array(blocks * blockSize);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let block = 0; block < blocks; block++) {
    const scale = halfToFloat(view.getUint16(block * blockBytes, true));
    for (let i = 0; i < blockSize; i++)
      result[block * blockSize + i] = scale * view.getInt8(block * blockBytes + 2 + i);
  }
  return result;
}

export function encodeEntries(type: CacheType, values: Float32Array): Uint8Array {
  if (type === "f32") return new Uint8Array(values.slice().buffer);
  if (type === "f16") return new Uint8Array(Uint16Array.from(values, floatToHalf).buffer);
  const blocks = values.length / blockSize;
  const bytes = new Uint8Array(blocks * blockBytes);
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < blocks; block++) {
    let largest = 0;
    for (let i = 0; i < blockSize; i++) largest = Math.max(largest, Math.abs(values[block * blockSize + i] as number));
    const scale = largest / 127;
    view.setUint16(block * blockBytes, floatToHalf(scale), true);
    for (let i = 0; i < blockSize; i++) {
      const value = scale === 0 ? 0 : (values[block * blockSize + i] as number) / scale;
      view.setInt8(block * blockBytes + 2 + i, Math.round(value));
    }
  }
  return bytes;
}

let halves: Float32Array | undefined;

function halfTable(): Float32Array {
  halves ??= Float32Array.from({ length: 2 ** 16 }, (_, half) => halfToFloat(half));
  return halves;
}

const floatBits = new Float32Array(1);
const intBits = new Uint32Array(floatBits.buffer);

/** The nearest f16, ties to even. */
export function floatToHalf(value: number): number {
  floatBits[0] = value;
  const bits = intBits[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 255) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200);
  const shifted = exponent - 127 + 15;
  if (shifted >= 31) return sign | 0x7c00;
  if (shifted < -10) return sign;
  const whole = shifted <= 0 ? fraction | 0x800000 : fraction;
  const drop = shifted <= 0 ? 14 - shifted : 13;
  const base = (shifted <= 0 ? 0 : shifted << 10) + (whole >>> drop);
  const rest = whole & (2 ** drop - 1);
  const half = 2 ** (drop - 1);
  // A carry out of the fraction raises the exponent, as it should.
  return sign | (base + (rest > half || (rest === half && (base & 1) === 1) ? 1 : 0));
}
