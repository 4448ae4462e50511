import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** The page: built into dist/web, where the server finds it. In development requests go on to a running server or to the mock
 *  (`npx tsx web/mock/main.ts`), whose address is read from QUIRE_SERVER. */
const server = process.env["QUIRE_SERVER"] ?? "http://127.0.0.1:8787";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  plugins: [react()],
  build: {
    outDir: fileURLToPath(new URL("../dist/web", import.meta.url)),
    emptyOutDir: true,
    assetsDir: "assets",
    // Pictures stay files: a page without data: addresses can have the strictest policy.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { "/v1": server, "/health": server, "/metrics": server, "/openapi.json": server },
  },
});
