import { isQuireError } from "../errors.js";
import { nativeLibraries } from "../tensor/ffi/library.js";
import { cpuVariant } from "./cpu-variant.js";

/** "quire 0.1.0 (ggml 0.25.1 af57001e, CPU variant haswell)". */
export function versionLine(version: string): string {
  try {
    const { version: ggml, commit } = nativeLibraries();
    return `quire ${version} (ggml ${ggml} ${commit}, CPU variant ${cpuVariant() ?? "unknown"})`;
  } catch (error) {
    if (!isQuireError(error)) throw error;
    return `quire ${version} (no native libraries: ${error.message})`;
  }
}
