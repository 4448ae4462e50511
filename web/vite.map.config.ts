import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/** The viewer of map files: one script without imports, built into dist/map, where `quire map --out map.html` takes it from. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  publicDir: false,
  build: {
    outDir: fileURLToPath(new URL("../dist/map", import.meta.url)),
    emptyOutDir: true,
    reportCompressedSize: false,
    lib: {
      entry: fileURLToPath(new URL("src/map/map-page.ts", import.meta.url)),
      formats: ["iife"],
      name: "quireMap",
      fileName: () => "map-page.js",
    },
  },
});
