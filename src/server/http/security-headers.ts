import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "../service.js";

/** For browsers: nothing is guessed, framed or told on, and the page runs only what it brought along. */
export const securityHeaders: MiddlewareHandler<AppEnv> = async (context, next) => {
  await next();
  const { headers } = context.res;
  headers.set("x-content-type-options", "nosniff");
  headers.set("referrer-policy", "no-referrer");
  headers.set("x-frame-options", "DENY");
  if (headers.get("content-type")?.startsWith("text/html")) {
    headers.set(
      "content-security-policy",
      "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'",
    );
  }
};
