import { availableParallelism, loadavg } from "node:os";
import { QuireError, throwIfAborted } from "../errors.js";
import { ggml } from "./ffi/ggml.js";

/** A device computes graphs, one at a time, off the event loop, on a thread pool that lives as long as the device. */

export type DeviceKind = "cpu" | "gpu" | "integrated-gpu" | "accelerator";

export interface DeviceInfo {
  readonly index: number;
  readonly name: string;
  readonly description: string;
  readonly kind: DeviceKind;
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export interface DeviceOptions {
  /** "auto" takes a GPU where one is present, else the CPU; or the name that `listDevices` gives. */
  device?: string;
  /** Compute threads; default: the cores this process may use, less those that are busy with something else. */
  threads?: number;
}

const kinds: readonly DeviceKind[] = ["cpu", "gpu", "integrated-gpu", "accelerator"];
const statusAborted = 1;
/** Bytes of ggml_threadpool_params: 512 flags, then thread count, priority, polling level, two flags. */
const threadpoolParams = { size: 528, poll: 520 };

export function listDevices(): DeviceInfo[] {
  const g = ggml();
  const free = new BigUint64Array(1);
  const total = new BigUint64Array(1);
  return Array.from({ length: g.ggml_backend_dev_count() }, (_, index) => {
    const device = g.ggml_backend_dev_get(index);
    g.ggml_backend_dev_memory(device, free, total);
    return {
      index,
      name: g.ggml_backend_dev_name(device),
      description: g.ggml_backend_dev_description(device),
      kind: kinds[g.ggml_backend_dev_type(device)] ?? "accelerator",
      freeBytes: Number(free[0]),
      totalBytes: Number(total[0]),
    };
  });
}

/** ggml's threads wait for each other by spinning after every operation: where another program holds one of their cores, all of
 *  them wait for it, and two threads are then many times slower than one. So busy cores are left out, up to half of all. */
export function defaultThreads(cores = availableParallelism(), busy = loadavg()[0] ?? 0): number {
  return Math.max(Math.ceil(cores / 2), cores - Math.floor(busy + 0.3), 1);
}

/** What the processor offers that matters here, by ggml's names: "AVX512_BF16", "NEON", ... */
export function cpuFeatures(): ReadonlySet<string> {
  const g = ggml();
  const names = new Set<string>();
  const cpu = listDevices().find(({ kind }) => kind === "cpu");
  if (cpu === undefined) return names;
  const registry = g.ggml_backend_dev_backend_reg(g.ggml_backend_dev_get(cpu.index));
  const start = g.backendFunction(registry, "ggml_backend_get_features", ["ptr", "ptr"])?.(registry) ?? 0;
  for (let index = 0; start !== 0 && index < 128; index++) {
    const [name = 0n, value = 0n] = new BigUint64Array(g.memory(start + 16 * index, 16));
    if (name === 0n) break;
    if (g.text(Number(value)) !== "0") names.add(g.text(Number(name)));
  }
  return names;
}

export class Device {
  readonly info: DeviceInfo;
  readonly threads: number;
  readonly backend: number;
  /** Where tensors go by default. */
  readonly bufferType: number;
  /** Buffer types that store matrices in an order that multiplies faster (CPU only); may be empty. */
  readonly repackedBufferTypes: readonly number[];
  /** JavaScript can read and write the memory in place. */
  readonly isHost: boolean;
  readonly handle: number;

  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;
  readonly #release: (() => void)[] = [];
  #stopFlag: BigInt64Array | undefined;

  static open(options: DeviceOptions = {}): Device {
    const devices = listDevices();
    const wanted = options.device ?? "auto";
    const found =
      wanted === "auto"
        ? (devices.find(({ kind }) => kind === "gpu") ?? devices.find(({ kind }) => kind === "cpu"))
        : devices.find(({ name, kind }) => name.toLowerCase() === wanted.toLowerCase() || kind === wanted);
    if (found === undefined) {
      throw new QuireError("not-found", `There is no device "${wanted}".`, {
        got: wanted,
        expected: devices.map(({ name }) => name).join(", "),
      });
    }
    const threads = options.threads ?? defaultThreads();
    if (!Number.isInteger(threads) || threads < 1 || threads > 512) {
      throw new QuireError("bad-option", "The number of threads cannot be used.", {
        got: threads,
        expected: "a whole number from 1 to 512",
      });
    }
    return new Device(found, threads);
  }

  private constructor(info: DeviceInfo, threads: number) {
    const g = ggml();
    this.info = info;
    this.threads = threads;
    this.handle = g.ggml_backend_dev_get(info.index);
    this.backend = g.ggml_backend_dev_init(this.handle, "");
    if (this.backend === 0)
      throw new QuireError("native", `The device ${info.name} cannot be opened.`, { fix: 'Use device "cpu".' });
    this.bufferType = g.ggml_backend_get_default_buffer_type(this.backend);
    this.isHost = g.ggml_backend_buft_is_host(this.bufferType);
    this.repackedBufferTypes = info.kind === "cpu" ? extraBufferTypes(this.handle) : [];
    if (info.kind === "cpu") this.#startThreads();
  }

  #startThreads(): void {
    const g = ggml();
    const registry = g.ggml_backend_dev_backend_reg(this.handle);
    const setThreads = g.backendFunction(registry, "ggml_backend_set_n_threads", ["void", "ptr", "i32"]);
    setThreads?.(this.backend, this.threads);
    const newPool = g.backendFunction(registry, "ggml_threadpool_new", ["ptr", "data"]);
    const freePool = g.backendFunction(registry, "ggml_threadpool_free", ["void", "ptr"]);
    const setPool = g.backendFunction(registry, "ggml_backend_cpu_set_threadpool", ["void", "ptr", "ptr"]);
    if (newPool !== undefined && freePool !== undefined && setPool !== undefined) {
      const params = new Uint8Array(threadpoolParams.size);
      g.ggml_threadpool_params_init(params, this.threads);
      // Between two graphs the threads sleep: polling for the next one, they would hold the core that JavaScript needs to make it.
      new DataView(params.buffer).setUint32(threadpoolParams.poll, 0, true);
      const pool = newPool(params);
      setPool(this.backend, pool);
      this.#release.push(() => freePool(pool));
    }
    // ggml asks an abort callback between operations, on its own threads, where JavaScript must not run. ggml_is_empty has the
    // callback's form and reads memory: it says yes once a size of the tensor it is given has become 0.
    const setAbort = g.backendFunction(registry, "ggml_backend_set_abort_callback", ["void", "ptr", "ptr", "ptr"]);
    const context = g.init(4096);
    const flag = g.ggml_new_tensor_4d(context, 0, 1, 1, 1, 1);
    const firstSizeOffset = 16;
    this.#stopFlag = new BigInt64Array(g.memory(flag + firstSizeOffset, 8));
    setAbort?.(this.backend, g.address("ggml_is_empty"), flag);
    this.#release.push(() => g.ggml_free(context));
  }

  /** Runs a graph when its turn has come. Aborting the signal ends it between two operations. */
  compute(graph: number, signal?: AbortSignal): Promise<void> {
    return this.exclusive(async () => {
      throwIfAborted(signal);
      const stop = () => {
        if (this.#stopFlag !== undefined) this.#stopFlag[0] = 0n;
      };
      signal?.addEventListener("abort", stop);
      try {
        const status = await ggml().compute(this.backend, graph);
        if (status === statusAborted) throwIfAborted(signal);
        if (status !== 0) throw failed(status);
      } finally {
        signal?.removeEventListener("abort", stop);
        if (this.#stopFlag !== undefined) this.#stopFlag[0] = 1n;
      }
    });
  }

  /** Computes a small graph at once, and the event loop waits. Only for `work` within `exclusive`. */
  computeNow(graph: number): void {
    const status = ggml().computeNow(this.backend, graph);
    if (status !== 0) throw failed(status);
  }

  /** Runs `work` while no graph is computed. */
  exclusive<Result>(work: () => Promise<Result> | Result): Promise<Result> {
    if (this.#closed) return Promise.reject(new QuireError("bad-input", "The device was closed."));
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  /** Waits for the graph that is running, then frees threads and backend. Close what lies on the device first. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#queue;
    ggml().ggml_backend_free(this.backend);
    for (const release of this.#release) release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function failed(status: number): QuireError {
  return new QuireError("native", "The computation failed.", {
    got: `status ${status}`,
    fix: "Free memory, or use a smaller model or context.",
  });
}

function extraBufferTypes(device: number): number[] {
  const g = ggml();
  const list = g.backendFunction(g.ggml_backend_dev_backend_reg(device), "ggml_backend_dev_get_extra_bufts", [
    "ptr",
    "ptr",
  ])?.(device);
  if (list === undefined || list === 0) return [];
  const found: number[] = [];
  for (let index = 0; index < 16; index++) {
    const pointer = Number(new BigUint64Array(g.memory(list + 8 * index, 8))[0]);
    if (pointer === 0) break;
    found.push(pointer);
  }
  return found;
}
