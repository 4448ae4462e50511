import type { Hono } from "hono";
import { z } from "zod";
import { methodHead, methods, type SelectableKind, selectable } from "../../methods.js";
import type { AppEnv } from "../service.js";

/** GET /v1/methods: the catalogue, which of it a request can choose by name, and with which options. */

const selectableKinds: readonly SelectableKind[] = ["cache", "decoder", "chunker", "selector"];

export function methodRoutes(app: Hono<AppEnv>): void {
  let known: ReturnType<typeof catalogue> | undefined;
  app.get("/v1/methods", async (context) => {
    known ??= catalogue();
    return context.json({ object: "list", data: await known });
  });
}

export async function catalogue() {
  const published = methods.map(async (row) => {
    const kind = selectableKinds.find((one) => one === row.kind && selectable(one).includes(row.name));
    if (kind === undefined) return { ...row, selectable: false };
    return { ...row, selectable: true, options: await optionsOf(kind, row.name) };
  });
  const names = new Set(methods.map(({ name }) => name));
  const beside = selectableKinds.flatMap((kind) =>
    selectable(kind)
      .filter((name) => !names.has(name))
      .map(async (name) => {
        const { title, arxiv } = await methodHead(kind, name);
        return { name, kind, title, arxiv, state: "works", selectable: true, options: await optionsOf(kind, name) };
      }),
  );
  return Promise.all([...published, ...beside]);
}

/** As JSON Schema, of what may be given: what has a default may be left out. */
async function optionsOf(kind: SelectableKind, name: string) {
  const { options } = await methodHead(kind, name);
  return z.toJSONSchema(options, { io: "input", unrepresentable: "any" });
}
