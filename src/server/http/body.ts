import type { Context } from "hono";
import type { z } from "zod";
import { ApiError, badRequest } from "./api-error.js";

/** JSON of a request: of the right type, within a size and a depth, and checked. */

/** Far deeper than any request, and shallow enough for code that walks it. */
const mostNesting = 100;

export async function readJson<Schema extends z.ZodType>(
  context: Context,
  schema: Schema,
  mostBytes: number,
): Promise<z.output<Schema>> {
  return schema.parse(await readValue(context, mostBytes)) as z.output<Schema>;
}

/** The value as it was sent, always an object. */
export async function readValue(context: Context, mostBytes: number): Promise<Record<string, unknown>> {
  const type = context.req.header("content-type") ?? "";
  if (!/^application\/([\w.+-]*\+)?json\b/i.test(type.trim())) {
    throw new ApiError(415, "The body must be JSON, with the header content-type: application/json.", {
      code: "unsupported_media_type",
    });
  }
  const bytes = await readBytes(context.req.raw, mostBytes);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ApiError(400, "The body is not valid UTF-8.", { code: "invalid_json", cause });
  }
  if (nesting(text) > mostNesting) {
    throw new ApiError(400, `The body is nested deeper than ${mostNesting} levels.`, { code: "invalid_json" });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ApiError(400, `The body is not valid JSON: ${(cause as Error).message}`, { code: "invalid_json", cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badRequest("The body must be a JSON object.", undefined, "invalid_json");
  }
  return value as Record<string, unknown>;
}

export async function readBytes(request: Request, most: number): Promise<Uint8Array> {
  const declared = Number(request.headers.get("content-length") ?? "0");
  if (declared > most) throw tooLarge(most);
  const parts: Uint8Array[] = [];
  let size = 0;
  if (request.body !== null) {
    for await (const part of request.body as unknown as AsyncIterable<Uint8Array>) {
      size += part.byteLength;
      if (size > most) throw tooLarge(most);
      parts.push(part);
    }
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

export function tooLarge(most: number): ApiError {
  return new ApiError(413, `The body is larger than ${most.toLocaleString("en-US")} bytes.`, {
    code: "request_too_large",
  });
}

/** How deep brackets outside strings are nested. */
function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i);
    if (inString) {
      if (character === 0x5c) i++;
      else if (character === 0x22) inString = false;
    } else if (character === 0x22) inString = true;
    else if (character === 0x7b || character === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (character === 0x7d || character === 0x5d) depth--;
  }
  return deepest;
}
