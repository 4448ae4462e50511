import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import { type FinishedSpan, OtlpExporter } from "./otlp-exporter.js";

/** Traces for OpenTelemetry: a span for each request, and in it one for each generation, named as the conventions for generative
 *  models name them. What was said is never part of them. On only where the usual variables name a collector. */

export interface Span {
  end(attributes?: FinishedSpan["attributes"], error?: string): void;
}

export interface Tracer {
  /** Runs the work inside a request's span; spans begun meanwhile are its children. `traceparent` joins the caller's trace. */
  inRequest<Result>(
    name: string,
    traceparent: string | undefined,
    work: (span: Span) => Promise<Result>,
  ): Promise<Result>;
  begin(name: string, attributes: FinishedSpan["attributes"]): Span;
  flush(): Promise<void>;
}

interface Place {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

export function tracerFromEnvironment(version: string, env: NodeJS.ProcessEnv = process.env): Tracer | undefined {
  const own = env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
  const shared = env["OTEL_EXPORTER_OTLP_ENDPOINT"];
  const url = own || (shared ? `${shared.replace(/\/+$/, "")}/v1/traces` : undefined);
  const off = env["OTEL_SDK_DISABLED"] === "true" || env["OTEL_TRACES_EXPORTER"] === "none";
  if (url === undefined || off || !URL.canParse(url)) return undefined;
  const headers = headersOf(env["OTEL_EXPORTER_OTLP_TRACES_HEADERS"] ?? env["OTEL_EXPORTER_OTLP_HEADERS"] ?? "");
  return createTracer(new OtlpExporter({ url, headers, version, serviceName: env["OTEL_SERVICE_NAME"] || "quire" }));
}

export function createTracer(exporter: Pick<OtlpExporter, "add" | "flush">): Tracer {
  const current = new AsyncLocalStorage<Place>();

  function open(
    name: string,
    kind: FinishedSpan["kind"],
    place: Place,
    parentId: string | undefined,
    first: FinishedSpan["attributes"],
  ): Span {
    const start = Date.now();
    let over = false;
    return {
      end: (attributes = {}, error) => {
        if (over || !place.sampled) return;
        over = true;
        const { traceId, spanId } = place;
        const all = { ...first, ...attributes };
        exporter.add({ traceId, spanId, parentId, name, kind, start, end: Date.now(), attributes: all, error });
      },
    };
  }

  return {
    inRequest(name, traceparent, work) {
      const caller = readTraceparent(traceparent);
      const place = {
        traceId: caller?.traceId ?? randomBytes(16).toString("hex"),
        spanId: randomBytes(8).toString("hex"),
        sampled: caller?.sampled ?? true,
      };
      return current.run(place, () => work(open(name, "server", place, caller?.spanId, {})));
    },
    begin(name, attributes) {
      const parent = current.getStore();
      const traceId = parent?.traceId ?? randomBytes(16).toString("hex");
      const place = { traceId, spanId: randomBytes(8).toString("hex"), sampled: parent?.sampled ?? true };
      return open(name, "internal", place, parent?.spanId, attributes);
    },
    flush: () => exporter.flush(),
  };
}

/** W3C trace context. */
export function readTraceparent(text: string | undefined): Place | undefined {
  const [, traceId, spanId, flags] = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(text ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** "a=b,c=d", values as in addresses. */
function headersOf(text: string): Record<string, string> {
  const pairs = text.split(",").map((pair) => pair.split("="));
  return Object.fromEntries(
    pairs.flatMap(([name, ...rest]) => (name?.trim() ? [[name.trim(), decode(rest.join("=").trim())]] : [])),
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
