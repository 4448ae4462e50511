import type { Hono } from "hono";
import { ApiError } from "../http/api-error.js";
import { isForm, readForm } from "../http/form.js";
import type { FileRecord } from "../library/records.js";
import type { AppEnv, Service } from "../service.js";

/** /v1/files: files that were sent, in OpenAI's shape. */

export function fileRoutes(app: Hono<AppEnv>, { library: { files }, settings }: Service): void {
  app.post("/v1/files", async (context) => {
    if (!isForm(context.req.raw)) {
      throw new ApiError(415, "Send the file as multipart/form-data.", { code: "unsupported_media_type" });
    }
    const form = await readForm(context.req.raw, settings.maxUploadBytes);
    const [file] = form.files;
    const purpose = (form.fields["purpose"] ?? "user_data").slice(0, 100);
    return context.json(asData(await files.add(context.get("caller"), { ...file!, purpose })));
  });

  app.get("/v1/files", (context) => {
    return context.json({ object: "list", data: files.list(context.get("caller")).map(asData), has_more: false });
  });

  app.get("/v1/files/:id", (context) => {
    return context.json(asData(files.get(context.get("caller"), context.req.param("id"))));
  });

  app.get("/v1/files/:id/content", async (context) => {
    const record = files.get(context.get("caller"), context.req.param("id"));
    return new Response(new Uint8Array(await files.content(record)), {
      headers: {
        // Never as a page of this server's own.
        "content-type": "application/octet-stream",
        "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(record.name)}`,
      },
    });
  });

  app.delete("/v1/files/:id", async (context) => {
    const record = files.get(context.get("caller"), context.req.param("id"));
    await files.remove(record);
    return context.json({ id: record.id, object: "file", deleted: true });
  });
}

function asData({ id, name, bytes, created_at, purpose }: FileRecord) {
  return { id, object: "file", bytes, created_at, filename: name, purpose, status: "processed" };
}
