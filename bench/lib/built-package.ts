import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { QuireError } from "../../src/errors.js";

/** The package as it is published, compiled from the present sources into a folder of its own: a bench must measure neither a
 *  compiler nor what a loader for TypeScript adds to the code. */

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Address of the built index.js. */
export async function builtIndex(): Promise<string> {
  // Below node_modules, so that the package's dependencies are found from there.
  const folder = join(root, "node_modules", ".cache", "quire-bench", "dist");
  const compiler = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const project = ["-p", join(root, "tsconfig.build.json"), "--outDir", folder];
  const incremental = ["--incremental", "--tsBuildInfoFile", `${folder}.tsbuildinfo`];
  const built = spawnSync(process.execPath, [compiler, ...project, ...incremental], { cwd: root, encoding: "utf8" });
  const index = join(folder, "index.js");
  // Type errors do not keep tsc from writing JavaScript.
  if (!existsSync(index)) {
    throw new QuireError("bad-input", "The package cannot be built.", { got: `${built.stdout}${built.stderr}`.trim() });
  }
  return pathToFileURL(index).href;
}
