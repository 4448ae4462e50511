// Builds the viewer of map files into dist/map. Part of `npm run build`, so it stays quiet and says in one line what it made.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const config = fileURLToPath(new URL("../web/vite.map.config.ts", import.meta.url));
if (existsSync(config)) {
  const began = performance.now();
  const { build } = await import("vite");
  await build({ configFile: config, logLevel: "warn" });
  console.log(`map viewer built into dist/map in ${((performance.now() - began) / 1000).toFixed(1)} s`);
}
