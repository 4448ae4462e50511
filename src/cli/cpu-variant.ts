/** Which build of ggml's CPU backend was loaded, such as "haswell" or "skylakex": its name is the library's own. */
export function cpuVariant(): string | undefined {
  const { sharedObjects = [] } = (process.report?.getReport() ?? {}) as { sharedObjects?: readonly string[] };
  for (const file of sharedObjects) {
    const variant = /ggml-cpu(?:-([\w.-]+?))?(?:\.v[\d.]+)?\.(?:so|dylib|dll)/.exec(file);
    if (variant !== null) return variant[1] ?? "generic";
  }
  return undefined;
}
