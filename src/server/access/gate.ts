import type { MiddlewareHandler } from "hono";
import { ApiError } from "../http/api-error.js";
import type { AppContext, AppEnv, Service } from "../service.js";

/** Who may call, and from where. Pages of other sites may not, unless their origin was allowed: a browser would otherwise let any page
 *  one visits speak to a server on this machine. Names that lead to this machine by trickery (DNS rebinding) are refused as well. */

const open = new Set(["/health", "/openapi.json"]);

export function gate(service: Service): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    checkHost(context, service.settings.hosts);
    const origin = context.req.header("origin");
    const foreign = origin !== undefined && !isOwn(origin, context);
    if (foreign && !isAllowed(origin, service.settings.cors)) {
      throw new ApiError(403, `Pages of ${origin} may not call this server.`, {
        code: "origin_not_allowed",
      });
    }
    if (context.req.method === "OPTIONS") return preflight(origin);
    const { path } = context.req;
    const isApi = path.startsWith("/v1/") || path === "/metrics";
    context.set("caller", identify(context, service, isApi && !open.has(path)));
    await next();
    if (foreign && origin !== undefined) {
      context.res.headers.set("access-control-allow-origin", origin);
      context.res.headers.append("vary", "Origin");
      context.res.headers.set("access-control-expose-headers", "retry-after");
    }
  };
}

function preflight(origin: string | undefined): Response {
  if (origin === undefined) return new Response(null, { status: 204, headers: { allow: "GET, POST, DELETE" } });
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-origin": origin,
      "access-control-allow-methods": "GET, POST, DELETE",
      "access-control-allow-headers": "authorization, content-type",
      "access-control-max-age": "600",
      vary: "Origin",
    },
  });
}

function identify(context: AppContext, { keys }: Service, mustHaveKey: boolean) {
  const env = context.env as { incoming?: { socket?: { remoteAddress?: string } } } | undefined;
  const address = env?.incoming?.socket?.remoteAddress ?? "local";
  if (keys === undefined) return { key: undefined, address };
  const [, key] = /^Bearer\s+(\S+)$/i.exec(context.req.header("authorization") ?? "") ?? [];
  const name = key === undefined ? undefined : keys.nameOf(key);
  if (name === undefined) {
    // The page and the health check are for everybody; they hold nothing of anyone.
    if (!mustHaveKey) return { key: "", address };
    const message =
      key === undefined ? "This server needs an API key: Authorization: Bearer KEY." : "The API key is not valid.";
    throw new ApiError(401, message, {
      code: key === undefined ? "missing_api_key" : "invalid_api_key",
      headers: { "www-authenticate": "Bearer" },
    });
  }
  if (mustHaveKey) keys.spend(name);
  return { key: name, address };
}

function checkHost(context: AppContext, hosts: readonly string[] | undefined): void {
  if (hosts === undefined) return;
  const name = hostname(context.req.header("host") ?? new URL(context.req.url).host);
  if (hosts.includes(name)) return;
  throw new ApiError(403, `This server is not called ${name}.`, { code: "host_not_allowed" });
}

function hostname(host: string): string {
  return host
    .replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "")
    .toLowerCase();
}

function isOwn(origin: string, context: AppContext): boolean {
  const host = context.req.header("host") ?? new URL(context.req.url).host;
  return URL.canParse(origin) && new URL(origin).host === host;
}

function isAllowed(origin: string, allowed: readonly string[]): boolean {
  return allowed.includes("*") || allowed.includes(origin);
}
