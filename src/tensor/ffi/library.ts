import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import koffi, { type LibraryHandle } from "koffi";
import { QuireError } from "../../errors.js";
import { dtypes } from "../dtype.js";

/** Finds and loads the prebuilt ggml libraries of the platform package, once per process, and refuses a version that was not
 *  tested: struct layouts and enum values are part of the contract and differ between versions. */

export const ggmlVersion = "0.25.1";
const packageVersion = "3.22.1";

const require = createRequire(import.meta.url);

export interface NativeLibraries {
  readonly folder: string;
  readonly base: LibraryHandle;
  readonly registry: LibraryHandle;
  readonly version: string;
  readonly commit: string;
}

let loaded: NativeLibraries | undefined;

/** Platform packages in order of preference: a GPU package is used where the user installed one. */
function candidatePackages(): string[] {
  const { platform, arch } = process;
  if (platform === "linux" && arch === "x64") return ["linux-x64-cuda", "linux-x64-vulkan", "linux-x64"];
  if (platform === "linux" && arch === "arm64") return ["linux-arm64"];
  if (platform === "linux" && arch === "arm") return ["linux-armv7l"];
  if (platform === "darwin") return [arch === "arm64" ? "mac-arm64-metal" : "mac-x64"];
  if (platform === "win32" && arch === "x64") return ["win-x64-cuda", "win-x64-vulkan", "win-x64"];
  if (platform === "win32") return ["win-arm64"];
  return [];
}

/** The folder that holds the shared libraries of this platform. */
export function nativeFolder(): string {
  const candidates = candidatePackages();
  for (const name of candidates) {
    // The package exports no package.json, so it is looked up the way Node looks up packages.
    const roots = require.resolve.paths(name) ?? [];
    const manifest = roots
      .map((root) => path.join(root, "@node-llama-cpp", name, "package.json"))
      .find((file) => existsSync(file));
    if (manifest === undefined) continue;
    const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
    if (version !== packageVersion) {
      throw new QuireError("native", `The native package @node-llama-cpp/${name} has the wrong version.`, {
        got: version,
        expected: packageVersion,
        fix: `Run: npm install @node-llama-cpp/${name}@${packageVersion}`,
      });
    }
    const bins = path.join(path.dirname(manifest), "bins");
    const folder = existsSync(bins) ? readdirSync(bins).map((entry) => path.join(bins, entry)) : [];
    const found = folder.find((entry) => findLibrary(entry, "ggml-base") !== undefined);
    if (found !== undefined) return found;
  }
  throw new QuireError("native", `No native package for ${process.platform}-${process.arch} is installed.`, {
    expected:
      candidates.map((name) => `@node-llama-cpp/${name}@${packageVersion}`).join(" or ") || "a supported platform",
    fix:
      candidates.length > 0
        ? `Install without --omit=optional, or run: npm install @node-llama-cpp/${candidates.at(-1)}@${packageVersion}`
        : "Use Linux (x64, arm64), macOS or Windows, or a remote model with --base-url.",
  });
}

/** File of a library by its plain name; the real names carry a version (libllama.v0.5.0.so). */
export function findLibrary(folder: string, name: string): string | undefined {
  const pattern = new RegExp(`^(lib)?${name}(\\.v[\\d.]+)?\\.(so|dylib|dll)$`);
  const file = existsSync(folder) ? readdirSync(folder).find((entry) => pattern.test(entry)) : undefined;
  return file === undefined ? undefined : path.join(folder, file);
}

export function loadLibrary(folder: string, name: string): LibraryHandle {
  const file = findLibrary(folder, name);
  if (file === undefined) {
    throw new QuireError("native", `The native library ${name} is missing.`, {
      got: folder,
      expected: `lib${name}.so, .dylib or .dll`,
      fix: "Reinstall the native package.",
    });
  }
  try {
    return koffi.load(file, { global: true });
  } catch (cause) {
    throw new QuireError("native", `The native library ${file} cannot be loaded: ${(cause as Error).message}`, {
      cause,
    });
  }
}

export function nativeLibraries(): NativeLibraries {
  if (loaded !== undefined) return loaded;
  const folder = nativeFolder();
  const base = loadLibrary(folder, "ggml-base");
  const registry = loadLibrary(folder, "ggml");
  const version = base.func("ggml_version", "str", [])() as string;
  if (version !== ggmlVersion) {
    throw new QuireError("native", "The native libraries have another version of ggml than Quire was built for.", {
      got: version,
      expected: ggmlVersion,
      fix: `Run: npm install, which brings version ${packageVersion} of the native package.`,
    });
  }
  checkLayouts(base);
  silence(base);
  registry.func("ggml_backend_load_all_from_path", "void", ["str"])(folder);
  loaded = { folder, base, registry, version, commit: base.func("ggml_commit", "str", [])() as string };
  return loaded;
}

/** ggml writes to stderr through a callback that its own threads call, where JavaScript must not run. Any exported function that
 *  takes nothing and does nothing lasting can stand in for it. QUIRE_NATIVE_LOG=1 leaves the messages on. */
function silence(base: LibraryHandle): void {
  if (process.env["QUIRE_NATIVE_LOG"] === "1") return;
  const nothing = base.symbol("ggml_time_init") as bigint;
  base.func("ggml_log_set", "void", ["uintptr_t", "uintptr_t"])(nothing, 0);
}

function checkLayouts(base: LibraryHandle): void {
  const blockSize = base.func("ggml_blck_size", "int64_t", ["int"]);
  const typeSize = base.func("ggml_type_size", "size_t", ["int"]);
  for (const [name, { id, block, bytes }] of Object.entries(dtypes)) {
    const got = `${Number(blockSize(id))} elements in ${Number(typeSize(id))} bytes`;
    const expected = `${block} elements in ${bytes} bytes`;
    if (got !== expected)
      throw new QuireError("native", `ggml stores ${name} in another way than expected.`, { got, expected });
  }
}
