import { isQuireError } from "../errors.js";
import { Device } from "./device.js";
import { type DType, dtypes, isQuantised } from "./dtype.js";
import { operations } from "./fuzz-operations.case.js";
import { Graph } from "./graph.js";
import { RandomSource } from "./random-source.case.js";
import type { Shape } from "./shape.js";
import { Storage } from "./storage.js";
import type { Tensor } from "./tensor.js";

/** Calls operations at random, most of them wrongly, until the time is over: whatever they are given, they must answer or throw a
 *  QuireError. Started as a process of its own by fuzz.test.ts: first seed, seconds, threads. FUZZ_TRACE=1 prints each call. */

const trace = process.env["FUZZ_TRACE"] === "1";

export class Round {
  readonly random: RandomSource;
  readonly graph: Graph;
  readonly storage: Storage;
  readonly repacked: Storage | undefined;
  readonly pool: Tensor[] = [];
  calls = 0;
  answered = 0;
  ran = 0;

  constructor(device: Device, seed: number) {
    this.random = new RandomSource(seed);
    this.graph = new Graph(device, { maxNodes: 4096 });
    const types = Object.keys(dtypes) as DType[];
    const specs = Array.from({ length: 6 }, (_, index) => {
      const dtype = this.random.pick(types);
      const { block } = dtypes[dtype];
      const last = block > 1 ? block * this.random.int(1, 2) : this.random.int(1, 9);
      return { name: `stored${index}`, dtype, shape: [...this.shape(this.random.int(0, 3)), last] };
    });
    this.storage = Storage.allocate(device, specs);
    for (const tensor of this.storage.tensors.values()) {
      const bytes = Uint8Array.from({ length: tensor.sizeBytes }, () => this.random.int(0, 255));
      this.storage.write(tensor, bytes);
      this.pool.push(this.random.chance(0.8) ? this.graph.use(tensor) : tensor);
    }
    for (let count = 0; count < 8; count++) this.addInput();
    this.repacked = this.allocateRepacked(device);
  }

  allocateRepacked(device: Device): Storage | undefined {
    const dtype = this.random.pick(["q4_0", "q8_0", "q4_k", "f32"] as const);
    const specs = [{ name: "repacked", dtype, shape: [this.random.pick([8, 16, 24, 5]), 256] }];
    try {
      const storage = Storage.allocate(device, specs, this.random.pick(device.repackedBufferTypes));
      storage.write(storage.tensor("repacked"), new Uint8Array(storage.tensor("repacked").sizeBytes));
      return storage;
    } catch (error) {
      if (!isQuireError(error)) throw error;
      return undefined;
    }
  }

  shape(rank = this.random.int(1, 4)): number[] {
    const small = this.random.chance(0.7);
    return Array.from({ length: rank }, () => (this.random.chance(0.3) ? 1 : this.random.int(1, small ? 4 : 9)));
  }

  addInput(): void {
    const { random, graph } = this;
    const shape: Shape = random.chance(0.15) ? [...this.shape(random.int(0, 2)), 32 * random.int(1, 2)] : this.shape();
    const length = shape.reduce((product, size) => product * size, 1);
    const kind = random.int(0, 9);
    if (kind <= 1) {
      const most = random.pick([0, 1, 3, 3, 3, 9, 1e6]);
      this.pool.push(
        graph.constant(
          Int32Array.from({ length }, () => random.int(random.chance(0.02) ? -1 : 0, most)),
          shape,
        ),
      );
    } else if (kind === 2) {
      this.pool.push(
        graph.constant(
          BigInt64Array.from({ length }, () => BigInt(random.int(0, 2))),
          shape,
        ),
      );
    } else {
      const values = Float32Array.from({ length }, () =>
        random.chance(0.02) ? random.pick([Number.NaN, Number.POSITIVE_INFINITY, -1e30]) : random.normal(),
      );
      this.pool.push(graph.constant(values, shape));
    }
  }

  tensor(): Tensor {
    return this.random.pick(this.random.chance(0.5) ? this.pool.slice(-12) : this.pool);
  }

  /** A tensor that fits another in some way more often than chance would have it. */
  like(other: Tensor): Tensor {
    for (let tries = 0; tries < 6; tries++) {
      const found = this.tensor();
      if (found.size(-1) === other.size(-1) || found.dtype === other.dtype) return found;
    }
    return this.tensor();
  }

  indices(): Tensor {
    const found = this.pool.filter(({ dtype }) => dtype === "i32" || dtype === "i64");
    return this.random.chance(0.8) && found.length > 0 ? this.random.pick(found) : this.tensor();
  }

  number(): number {
    return this.random.pick([0, 1, -1, 0.5, 2, 3, 4, 8, 1e-5, 1e9, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 33, 1.5]);
  }

  smallInt(): number {
    return this.random.chance(0.9) ? this.random.int(-2, 6) : this.number();
  }

  call(): void {
    const names = Object.keys(operations);
    const name = this.random.pick(names);
    this.calls++;
    try {
      const operation = operations[name];
      if (operation === undefined) return;
      const result = operation(this);
      for (const tensor of Array.isArray(result) ? result : [result]) {
        if (tensor === undefined || tensor.elements > 100_000) continue;
        this.pool.push(tensor);
      }
      this.answered++;
      if (trace) process.stderr.write(`  ${name} -> ${this.pool.at(-1)?.dtype}[${this.pool.at(-1)?.shape}]\n`);
    } catch (error) {
      if (!isQuireError(error)) throw error;
      if (trace) process.stderr.write(`  ${name}: ${error.message} ${String(error.got)}\n`);
    }
  }

  async run(): Promise<void> {
    const { graph, random } = this;
    try {
      for (const tensor of this.pool) {
        if (tensor.op === undefined) continue;
        try {
          if (tensor.op === "setRows" || isQuantised(tensor.dtype)) graph.effect(tensor);
          else if (random.chance(0.9)) graph.output(random.chance(0.2) ? tensor : tensor.cont());
        } catch (error) {
          if (!isQuireError(error)) throw error;
        }
      }
      graph.compile();
      await graph.run();
      this.ran = 1;
    } catch (error) {
      if (!isQuireError(error)) throw error;
      if (trace) process.stderr.write(`run: ${error.message} ${String(error.got)}\n`);
    } finally {
      graph.close();
      this.storage.close();
      this.repacked?.close();
    }
  }
}

async function main(): Promise<void> {
  const first = Number(process.argv[2] ?? 1);
  const end = Date.now() + 1000 * Number(process.argv[3] ?? 5);
  const device = Device.open({ device: "cpu", threads: Number(process.argv[4] ?? 1) });
  let calls = 0;
  let answered = 0;
  let ran = 0;
  let seed = first;
  for (; Date.now() < end; seed++) {
    process.stdout.write(`seed ${seed}\n`);
    const round = new Round(device, seed);
    for (let count = 0; count < 60; count++) round.call();
    await round.run();
    calls += round.calls;
    answered += round.answered;
    ran += round.ran;
  }
  await device.close();
  process.stdout.write(`${JSON.stringify({ rounds: seed - first, calls, answered, ran })}\n`);
}

await main();
