import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import type { Hono } from "hono";
import { notFound } from "../http/api-error.js";
import type { AppEnv, Service } from "../service.js";

/** The page, as it was built into a folder: / and /assets/*. Names of assets hold a hash of what is in them where the builder put one, so
 *  those may be kept forever. */

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
};

const hashed = /-[\w-]{8,}\.\w+$/;

export function pageRoutes(app: Hono<AppEnv>, { settings }: Service): void {
  const { pageFolder } = settings;
  app.get("/", async () => (await served(pageFolder, "index.html", false)) ?? howToBuild());
  app.get("/assets/*", async (context) => {
    const name = decode(context.req.path.slice("/assets/".length));
    const plain = name !== undefined && /^[\w.@-]+(\/[\w.@-]+)*$/.test(name) && !name.includes("..");
    const found = plain ? await served(pageFolder, path.join("assets", name), hashed.test(name)) : undefined;
    if (found === undefined) throw notFound("The page has no such file.");
    return found;
  });
}

async function served(folder: string | undefined, name: string, forever: boolean): Promise<Response | undefined> {
  const type = types[path.extname(name)];
  if (folder === undefined || type === undefined) return undefined;
  const file = path.join(folder, name);
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() !== true) return undefined;
  return new Response(new Uint8Array(await readFile(file)), {
    headers: {
      "content-type": type,
      "cache-control": forever ? "public, max-age=31536000, immutable" : "no-cache",
    },
  });
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function howToBuild(): Response {
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Quire</title>
<body style="font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
<h1>Quire serves</h1><p>The API is at <code>/v1</code> (<a href="/openapi.json">what it can do</a>).
This copy came without its page. From the sources it is built with <code>npm run build</code>.</p></body></html>`;
  return new Response(html, { headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-cache" } });
}
