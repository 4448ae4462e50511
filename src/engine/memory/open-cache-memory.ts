import { freemem, totalmem } from "node:os";
import type { KeyValueStore } from "../../cache/store/key-values.js";
import { QuireError } from "../../errors.js";
import type { EngineOptions } from "../engine-options.js";
import type { LoadedModel } from "../model.js";
import { CacheMemory } from "./cache-memory.js";
import { SharedPrefixes } from "./shared-prefixes.js";

/** The memory for all caches of a model, as large as was asked for or as half of what is free. */
export function openCacheMemory(
  model: LoadedModel,
  options: EngineOptions,
  beforeClose: (store: KeyValueStore) => void,
): CacheMemory {
  const { architecture, config, device } = model;
  const layers = architecture.memory(config).map((need) => {
    if (need.kind !== "keys-values")
      throw new QuireError("unsupported", `${architecture.name} has layers without keys and values.`);
    return need;
  });
  const shape = { layers, type: options.cacheType ?? "f16" };
  const free = device.info.kind === "cpu" ? freeMemory() : device.info.freeBytes;
  const limitBytes = options.cacheMemoryBytes ?? free / 2;
  if (!(limitBytes > 0)) {
    throw new QuireError("bad-option", "Caches need some memory.", {
      got: limitBytes,
      expected: "a number of bytes above 0",
    });
  }
  const mostBytes = Math.min(limitBytes / 4, 2 ** 30);
  const prefixes = options.prefixSharing === false ? undefined : new SharedPrefixes(shape, { mostBytes });
  return new CacheMemory({ device, shape, limitBytes, prefixes, beforeClose });
}

/** Also where a container may use less than the machine has. */
function freeMemory(): number {
  const allowed = process.constrainedMemory() ?? 0;
  const limited = allowed > 0 && allowed < totalmem();
  return limited ? Math.min(freemem(), allowed - process.memoryUsage().rss) : freemem();
}
