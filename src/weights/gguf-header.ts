import { QuireError } from "../errors.js";
import { type NumericArray, numeric } from "./gguf-types.js";
import type { WeightSource } from "./weight-source.js";

/** Reads a GGUF header from front to back through a window that grows only as far as one item needs. Every length is held
 *  against the file and against a fixed limit before memory is taken, so a damaged file costs an error and nothing else. */

/** Far above any published model; the header of the largest known has some 20 MB. */
export const headerLimits = {
  headerBytes: 256 * 2 ** 20,
  stringBytes: 16 * 2 ** 20,
  keyBytes: 65_535,
  strings: 4 * 2 ** 20,
  keys: 65_536,
  tensors: 262_144,
  tensorNameBytes: 255,
} as const;

const windowBytes = 2 ** 20;

export class GgufHeader {
  private window = Buffer.alloc(0);
  private view = new DataView(new ArrayBuffer(0));
  private at = 0;
  private windowStart = 0;

  constructor(private readonly source: WeightSource) {}

  get path(): string {
    return this.source.path;
  }

  /** Bytes read so far: where in the file the next item starts. */
  get position(): number {
    return this.windowStart + this.at;
  }

  /** Bytes of the file that lie behind this point. */
  get left(): number {
    return this.source.size - this.position;
  }

  /** True when `count` bytes must be fetched with `fill` before they can be taken. Kept apart so that the usual case, bytes
   *  already in the window, costs no await. */
  short(count: number): boolean {
    return this.window.byteLength - this.at < count;
  }

  async fill(count: number, what: string): Promise<void> {
    if (!this.short(count)) return;
    if (count > this.left) {
      throw this.broken(`the file ends inside ${what}`, {
        got: `${this.left} bytes`,
        expected: `${count} bytes`,
        fix: "The file is cut off: fetch it again.",
      });
    }
    if (this.position + count > headerLimits.headerBytes) {
      throw this.broken("the header is larger than any model's", {
        expected: `at most ${headerLimits.headerBytes} bytes`,
      });
    }
    const start = this.position;
    const next = Buffer.alloc(Math.min(Math.max(count, windowBytes), this.left));
    const kept = this.window.subarray(this.at);
    next.set(kept);
    await this.source.read(start + kept.byteLength, next.subarray(kept.byteLength));
    this.window = next;
    this.view = new DataView(next.buffer, next.byteOffset, next.byteLength);
    this.windowStart = start;
    this.at = 0;
  }

  async u32(what: string): Promise<number> {
    if (this.short(4)) await this.fill(4, what);
    return this.takeU32();
  }

  /** A 64-bit length or count, refused above `most`. */
  async length(what: string, most: number): Promise<number> {
    if (this.short(8)) await this.fill(8, what);
    return this.takeLength(what, most);
  }

  async scalar(type: keyof typeof numeric, what: string): Promise<number | bigint> {
    const { bytes, read } = numeric[type];
    if (this.short(bytes)) await this.fill(bytes, what);
    const value = read(this.view, this.at);
    this.at += bytes;
    return value;
  }

  async string(what: string, most: number = headerLimits.stringBytes): Promise<string> {
    const length = await this.length(`the length of ${what}`, most);
    if (this.short(length)) await this.fill(length, what);
    return this.takeString(length);
  }

  async strings(count: number, what: string): Promise<string[]> {
    if (count > headerLimits.strings || count * 8 > this.left) throw this.tooMany(what, count);
    const result: string[] = [];
    for (let i = 0; i < count; i++) {
      if (this.short(8)) await this.fill(8, what);
      const length = this.takeLength(what, headerLimits.stringBytes);
      if (this.short(length)) await this.fill(length, what);
      result.push(this.takeString(length));
    }
    return result;
  }

  async booleans(count: number, what: string): Promise<boolean[]> {
    if (count > headerLimits.strings) throw this.tooMany(what, count);
    const bytes = new Uint8Array(await this.take(count, what));
    return Array.from(bytes, (byte) => byte !== 0);
  }

  async numbers(type: keyof typeof numeric, count: number, what: string): Promise<NumericArray> {
    const { bytes, array } = numeric[type];
    return array(await this.take(count * bytes, what));
  }

  /** An error that says where in which file it was met. */
  broken(problem: string, details: { got?: unknown; expected?: unknown; fix?: string } = {}): QuireError {
    return new QuireError("bad-file", `${this.source.path}: ${problem} (byte ${this.position}).`, details);
  }

  private tooMany(what: string, count: number): QuireError {
    return this.broken(`${what} claims more items than can be there`, { got: count });
  }

  /** A copy of the next bytes, in memory of their own. */
  private async take(count: number, what: string): Promise<ArrayBuffer> {
    if (count > headerLimits.headerBytes || count > this.left) throw this.tooMany(what, count);
    if (this.short(count)) await this.fill(count, what);
    const copy = new Uint8Array(this.window.subarray(this.at, this.at + count));
    this.at += count;
    return copy.buffer;
  }

  private takeU32(): number {
    const value = this.view.getUint32(this.at, true);
    this.at += 4;
    return value;
  }

  private takeLength(what: string, most: number): number {
    const value = this.takeU32() + this.takeU32() * 2 ** 32;
    if (value > most) throw this.broken(`${what} is out of range`, { got: value, expected: `at most ${most}` });
    return value;
  }

  private takeString(length: number): string {
    const text = this.window.toString("utf8", this.at, this.at + length);
    this.at += length;
    return text;
  }
}
