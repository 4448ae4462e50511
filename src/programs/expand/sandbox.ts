import variant from "@jitl/quickjs-wasmfile-release-sync";
import {
  newQuickJSWASMModuleFromVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSSyncVariant,
  type QuickJSWASMModule,
} from "quickjs-emscripten-core";
import { isQuireError, QuireError, throwIfAborted } from "../../errors.js";

/** Runs one statement of a model's code in QuickJS: no files, no network, no clock, no timers, nothing but JavaScript itself, the
 *  variables it is given and the primitives it may call. Time, memory and output are bounded. */

export interface SandboxRun {
  readonly code: string;
  /** JSON values. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** Variables to read back besides those given. */
  readonly assigns: readonly string[];
  readonly primitives: readonly string[];
  call(name: string, args: readonly unknown[]): Promise<unknown>;
  readonly limits?: Partial<SandboxLimits>;
  readonly signal?: AbortSignal;
}

export interface SandboxLimits {
  /** Looks at the clock of the interpreter: about ten thousand operations each. */
  readonly steps: number;
  /** Of its own work; waiting for primitives does not count. */
  readonly seconds: number;
  readonly memoryBytes: number;
  readonly outputCharacters: number;
}

export interface SandboxResult {
  readonly variables: Record<string, unknown>;
  readonly printed: readonly string[];
}

const usualLimits: SandboxLimits = { steps: 20_000, seconds: 10, memoryBytes: 64 * 2 ** 20, outputCharacters: 2 ** 20 };

/** Names that are there without any variable: JavaScript's own, less what makes code of text, tells the time or draws lots. */
export const languageNames: readonly string[] =
  "Array Boolean Error Infinity JSON Map Math NaN Number Object Promise RegExp Set String isFinite isNaN parseFloat parseInt undefined print".split(
    " ",
  );

/** Code made of text, time, chance, and what nobody needs here. Every kind of function also leads to one that makes code. */
const narrowing = `
for (const one of [function () {}, async function () {}, function* () {}, async function* () {}])
  delete Object.getPrototypeOf(one).constructor;
for (const name of ["eval", "Function", "Date", "WebAssembly", "Atomics", "SharedArrayBuffer", "Proxy", "Reflect"])
  delete globalThis[name];
Math.random = undefined;
Object.freeze(Math);
`;

let loaded: Promise<QuickJSWASMModule> | undefined;

export async function runInSandbox(run: SandboxRun): Promise<SandboxResult> {
  throwIfAborted(run.signal);
  loaded ??= newQuickJSWASMModuleFromVariant(variant as unknown as QuickJSSyncVariant);
  const limits = { ...usualLimits, ...run.limits };
  const runtime = (await loaded).newRuntime();
  runtime.setMemoryLimit(limits.memoryBytes);
  runtime.setMaxStackSize(512 * 1024);
  let steps = 0;
  let busyMs = 0;
  let since = performance.now();
  let stopped: "steps" | "signal" | undefined;
  runtime.setInterruptHandler(() => {
    if (run.signal?.aborted === true) stopped = "signal";
    else if (++steps > limits.steps || busyMs + performance.now() - since > limits.seconds * 1000) stopped = "steps";
    return stopped !== undefined;
  });
  const context = runtime.newContext();
  const printed: string[] = [];
  let room = limits.outputCharacters;
  const print = (text: string): void => {
    if (room <= 0) return;
    printed.push(text.length > room ? `${text.slice(0, room)} [cut]` : text);
    room -= text.length;
  };
  /** Errors of the world outside pass the sandbox unchanged. */
  let outer: unknown;
  const pending = new Set<Promise<void>>();
  let clean = false;
  /** What was stopped in its midst leaves objects behind, and QuickJS insists on an empty house: then the whole instance is given up. */
  const close = (): void => {
    try {
      if (!clean) throw new Error("stopped");
      context.dispose();
      runtime.dispose();
    } catch {
      loaded = undefined;
    }
  };
  try {
    define(context, "print", (args) => {
      print(args.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join(" "));
      return context.undefined;
    });
    for (const name of run.primitives) {
      define(context, name, (args) => {
        const promise = context.newPromise();
        const work = run
          .call(name, args)
          .then(
            (value) => give(context, value).consume((handle) => promise.resolve(handle)),
            (error: unknown) => {
              outer ??= error;
              context
                .newError(error instanceof Error ? error.message : String(error))
                .consume((handle) => promise.reject(handle));
            },
          )
          .finally(() => {
            pending.delete(work);
            if (context.alive) promise.dispose();
          });
        pending.add(work);
        return promise.handle;
      });
    }
    for (const [name, value] of Object.entries(run.variables))
      give(context, value).consume((handle) => context.setProp(context.global, name, handle));
    take(context, context.evalCode(narrowing)).dispose();
    since = performance.now();
    const evaluated = context.evalCode(`(async () => {\n${run.code}\n})()`);
    busyMs += performance.now() - since;
    const promise = evaluated.error ? undefined : evaluated.value;
    if (promise === undefined) throw failure(context, evaluated.error as QuickJSHandle);
    const state = { done: false };
    const settled = context.resolvePromise(promise).then((result) => {
      state.done = true;
      return result;
    });
    promise.dispose();
    for (;;) {
      since = performance.now();
      const jobs = runtime.executePendingJobs();
      busyMs += performance.now() - since;
      if (jobs.error) jobs.error.dispose();
      if (stopped !== undefined) throw stop(stopped, run.signal, limits);
      await Promise.resolve();
      if (state.done) break;
      if (pending.size === 0) {
        await new Promise(setImmediate);
        if (state.done || pending.size > 0 || runtime.hasPendingJob()) continue;
        throw new QuireError("bad-input", "The code waits for something that never comes.");
      }
      await Promise.race(pending);
    }
    const result = await settled;
    if (result.error) throw outer ?? failure(context, result.error);
    result.value.dispose();
    await Promise.all(pending);
    if (outer !== undefined) throw outer;
    const names = new Set([...Object.keys(run.variables), ...run.assigns]);
    const variables: Record<string, unknown> = {};
    for (const name of names) {
      const value = readBack(context, name);
      if (value !== undefined) variables[name] = value;
    }
    clean = true;
    return { variables, printed };
  } catch (error) {
    if (stopped !== undefined) throw stop(stopped, run.signal, limits);
    throw isQuireError(error) ? error : outsideOr(error, outer);
  } finally {
    await Promise.allSettled(pending);
    close();
  }
}

function outsideOr(error: unknown, outer: unknown): unknown {
  if (outer !== undefined) return outer;
  return new QuireError("bad-input", `The code failed: ${(error as Error).message}`, { cause: error });
}

function define(context: QuickJSContext, name: string, work: (args: unknown[]) => QuickJSHandle): void {
  context
    .newFunction(name, (...args) => work(args.map((one) => context.dump(one) as unknown)))
    .consume((handle) => context.setProp(context.global, name, handle));
}

function give(context: QuickJSContext, value: unknown): QuickJSHandle {
  if (value === undefined) return context.undefined;
  return take(context, context.evalCode(`(${JSON.stringify(value).replace(/\u2028|\u2029/g, " ")})`));
}

function take(context: QuickJSContext, result: ReturnType<QuickJSContext["evalCode"]>): QuickJSHandle {
  if (result.error) throw failure(context, result.error);
  return result.value;
}

function readBack(context: QuickJSContext, name: string): unknown {
  const handle = context.getProp(context.global, name);
  const stringify = take(
    context,
    context.evalCode("(value) => typeof value === 'function' ? undefined : JSON.stringify(value)"),
  );
  const text = take(context, context.callFunction(stringify, context.undefined, handle));
  const json = context.typeof(text) === "string" ? context.getString(text) : undefined;
  for (const one of [handle, stringify, text]) one.dispose();
  return json === undefined ? undefined : (JSON.parse(json) as unknown);
}

function failure(context: QuickJSContext, error: QuickJSHandle): QuireError {
  const dumped = context.dump(error) as { name?: string; message?: string } | string;
  error.dispose();
  const words = typeof dumped === "string" ? dumped : `${dumped.name ?? "Error"}: ${dumped.message ?? ""}`;
  if (/out of memory|string too long|InternalError: (?!stack)/i.test(words))
    return new QuireError("budget-exceeded", "The code took more memory than it may.", { got: words });
  return new QuireError("bad-input", `The code failed: ${words}.`, { got: words });
}

function stop(why: "steps" | "signal", signal: AbortSignal | undefined, { seconds }: SandboxLimits): QuireError {
  if (why === "signal") return new QuireError("cancelled", "Stopped on request.", { cause: signal?.reason });
  return new QuireError("budget-exceeded", "The code ran longer than it may.", {
    got: `no end after its share of steps, or ${seconds} seconds`,
    expected: "code that ends",
  });
}
