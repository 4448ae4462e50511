import { ApiError, badRequest } from "./api-error.js";
import { readBytes } from "./body.js";

/** Files of a form, within a size. */

export interface SentFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface SentForm {
  readonly files: readonly SentFile[];
  readonly fields: Readonly<Record<string, string>>;
}

const mostFiles = 100;
/** Forms are held in memory while they are read. */
const mostAtOnce = 4;
let reading = 0;

export async function readForm(request: Request, mostBytes: number): Promise<SentForm> {
  if (reading >= mostAtOnce) {
    throw new ApiError(429, "Several uploads are being read just now.", {
      code: "uploads_busy",
      headers: { "retry-after": "1" },
    });
  }
  reading++;
  try {
    return await read(request, mostBytes);
  } finally {
    reading--;
  }
}

async function read(request: Request, mostBytes: number): Promise<SentForm> {
  const type = request.headers.get("content-type") ?? "";
  const bytes = await readBytes(request, mostBytes);
  let form: FormData;
  try {
    form = await new Response(new Uint8Array(bytes), { headers: { "content-type": type } }).formData();
  } catch (cause) {
    throw new ApiError(400, "The body is not a form that can be read.", { code: "invalid_form", cause });
  }
  const files: SentFile[] = [];
  const fields: Record<string, string> = {};
  for (const [name, value] of form.entries()) {
    if (typeof value === "string") fields[name] = value;
    else files.push({ name: value.name, bytes: new Uint8Array(await value.arrayBuffer()) });
  }
  if (files.length === 0) throw badRequest("file: There is none in the form.", "file");
  if (files.length > mostFiles) throw badRequest(`file: At most ${mostFiles} at once.`, "file");
  return { files, fields };
}

export function isForm(request: Request): boolean {
  return /^multipart\/form-data\b/i.test(request.headers.get("content-type") ?? "");
}
