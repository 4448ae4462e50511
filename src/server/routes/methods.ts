import type { Hono } from "hono";
import { methods, type SelectableKind, selectable } from "../../methods.js";
import type { AppEnv } from "../service.js";

/** GET /v1/methods: the catalogue, and which of it a request can choose by name. */

const selectableKinds: readonly SelectableKind[] = ["cache", "decoder", "chunker", "selector"];

export function methodRoutes(app: Hono<AppEnv>): void {
  app.get("/v1/methods", (context) => context.json({ object: "list", data: catalogue() }));
}

export function catalogue() {
  const published = methods.map((row) => ({ ...row, selectable: isSelectable(row.kind, row.name) }));
  const known = new Set(methods.map(({ name }) => name));
  const beside = selectableKinds.flatMap((kind) =>
    selectable(kind)
      .filter((name) => !known.has(name))
      .map((name) => ({ name, kind, title: "", state: "works", selectable: true })),
  );
  return [...published, ...beside];
}

function isSelectable(kind: string, name: string): boolean {
  return selectableKinds.some((one) => one === kind && selectable(one).includes(name));
}
