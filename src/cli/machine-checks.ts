import { access, constants, mkdir, statfs } from "node:fs/promises";
import { arch, availableParallelism, cpus, freemem, platform, release, totalmem } from "node:os";
import { isQuireError } from "../errors.js";
import { listDevices } from "../tensor/device.js";
import { nativeLibraries } from "../tensor/ffi/library.js";
import { cacheFolder } from "../weights/cache-folder.js";
import { hubEndpoint, hubReachable } from "../weights/hub.js";
import { installedModels } from "../weights/installed-models.js";
import { findPip } from "../weights/pip.js";
import { cpuVariant } from "./cpu-variant.js";
import { bytes, count } from "./layout.js";

/** What `quire doctor` looks at, one function a matter. */

export interface Check {
  readonly name: string;
  /** "missing" keeps something from working; "note" is worth knowing. */
  readonly state: "ok" | "note" | "missing";
  readonly value: string;
  readonly fix?: string;
  readonly data?: unknown;
}

const leastNode = 20;
const usefulSpace = 2e9;

export async function checkMachine(signal: AbortSignal): Promise<Check[]> {
  const native = checkNative();
  const [cache, models, pip, hub] = await Promise.all([
    checkCache(),
    checkModels(),
    checkPip(signal),
    checkHub(signal),
  ]);
  return [checkNode(), checkSystem(), checkMemory(), ...native, cache, models, ...checkSources(pip, hub, models)];
}

function checkNode(): Check {
  const { version } = process;
  const fine = Number(version.slice(1).split(".")[0]) >= leastNode;
  return {
    name: "node",
    state: fine ? "ok" : "missing",
    value: version,
    ...(fine ? {} : { fix: `Install Node ${leastNode} or later.` }),
  };
}

function checkSystem(): Check {
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  return {
    name: "system",
    state: "ok",
    value: `${platform()} ${arch()} ${release()}, ${model}, ${count(availableParallelism(), "core")}`,
    data: { platform: platform(), arch: arch(), release: release(), processor: model, cores: availableParallelism() },
  };
}

function checkMemory(): Check {
  const [total, free] = [totalmem(), freemem()];
  const value = `${bytes(total)}, ${bytes(free)} free`;
  const data = { totalBytes: total, freeBytes: free };
  return free >= 1e9
    ? { name: "memory", state: "ok", value, data }
    : { name: "memory", state: "note", value, data, fix: "Close other programs, or choose a small model." };
}

function checkNative(): Check[] {
  try {
    const { version, commit, folder } = nativeLibraries();
    const devices = listDevices();
    const variant = cpuVariant();
    return [
      { name: "native", state: "ok", value: `ggml ${version} (${commit})`, data: { version, commit, folder } },
      { name: "cpu variant", state: "ok", value: variant ?? "unknown", data: variant ?? null },
      ...devices.map(
        ({ name, description, kind, totalBytes, freeBytes }): Check => ({
          name: "device",
          state: "ok",
          value: `${name}: ${description.trim()} (${kind}, ${bytes(totalBytes)})`,
          data: { name, description, kind, totalBytes, freeBytes },
        }),
      ),
    ];
  } catch (error) {
    if (!isQuireError(error)) throw error;
    const fix = error.fix ?? "Reinstall Quire, optional packages included.";
    return [{ name: "native", state: "missing", value: error.message, fix }];
  }
}

async function checkCache(): Promise<Check> {
  const folder = cacheFolder();
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch {
    return {
      name: "cache",
      state: "missing",
      value: `${folder} cannot be written`,
      fix: "Set QUIRE_CACHE to a folder of yours.",
    };
  }
  const disk = await statfs(folder).catch(() => undefined);
  const free = disk === undefined || disk.blocks === 0 ? undefined : disk.bavail * disk.bsize;
  const value = `${folder}${free === undefined ? "" : `, ${bytes(free)} free`}`;
  const data = { folder, freeBytes: free ?? null };
  return free === undefined || free >= usefulSpace
    ? { name: "cache", state: "ok", value, data }
    : { name: "cache", state: "note", value, data, fix: "Free some space, or set QUIRE_CACHE to another disk." };
}

async function checkModels(): Promise<Check> {
  const names = (await installedModels()).map(({ name }) => name);
  return names.length > 0
    ? { name: "models", state: "ok", value: names.join(", "), data: names }
    : {
        name: "models",
        state: "note",
        value: "none installed",
        data: names,
        fix: "quire models pull smollm2-135m-instruct",
      };
}

async function checkPip(signal: AbortSignal): Promise<Check> {
  try {
    const { program, before } = await findPip(signal);
    return { name: "pip", state: "ok", value: [program, ...before].join(" ") };
  } catch (error) {
    if (!isQuireError(error) || error.code === "cancelled") throw error;
    return { name: "pip", state: "note", value: "not found", fix: error.fix };
  }
}

async function checkHub(signal: AbortSignal): Promise<Check> {
  const address = hubEndpoint();
  return (await hubReachable({ signal, waitMs: 3000 }))
    ? { name: "model hub", state: "ok", value: `${address} answers` }
    : {
        name: "model hub",
        state: "note",
        value: `${address} does not answer`,
        fix: "Check network or proxy, or set HF_ENDPOINT to a mirror.",
      };
}

/** One way to models is enough; none, and no model here, is a lack. */
function checkSources(pip: Check, hub: Check, models: Check): Check[] {
  if (pip.state === "ok" || hub.state === "ok" || models.state === "ok") return [pip, hub];
  return [pip, { ...hub, state: "missing" }];
}
