/** Sends spans to a collector as OTLP over HTTP in JSON, in batches. A collector that is away costs spans, never an answer. */

export interface FinishedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  readonly name: string;
  readonly kind: "internal" | "server";
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  readonly attributes: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly error: string | undefined;
}

export interface OtlpOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  readonly version: string;
  readonly everyMs?: number;
}

const mostWaiting = 2048;
const usualEveryMs = 2000;
const patienceMs = 10_000;

export class OtlpExporter {
  readonly #options: OtlpOptions;
  #waiting: FinishedSpan[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: OtlpOptions) {
    this.#options = options;
  }

  add(span: FinishedSpan): void {
    this.#waiting.push(span);
    if (this.#waiting.length > mostWaiting) this.#waiting.shift();
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => void this.flush(), this.#options.everyMs ?? usualEveryMs);
    this.#timer.unref();
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const spans = this.#waiting;
    this.#waiting = [];
    if (spans.length === 0) return;
    const { url, headers } = this.#options;
    await fetch(url, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify(this.#payload(spans)),
      signal: AbortSignal.timeout(patienceMs),
    }).catch(() => undefined);
  }

  #payload(spans: readonly FinishedSpan[]): object {
    const { serviceName, version } = this.#options;
    const resource = { attributes: attributesOf({ "service.name": serviceName, "service.version": version }) };
    const scope = { name: "quire", version };
    return { resourceSpans: [{ resource, scopeSpans: [{ scope, spans: spans.map(asOtlp) }] }] };
  }
}

function asOtlp({ traceId, spanId, parentId, name, kind, start, end, attributes, error }: FinishedSpan): object {
  return {
    traceId,
    spanId,
    ...(parentId === undefined ? {} : { parentSpanId: parentId }),
    name,
    kind: kind === "server" ? 2 : 1,
    startTimeUnixNano: nanoseconds(start),
    endTimeUnixNano: nanoseconds(end),
    attributes: attributesOf(attributes),
    status: error === undefined ? {} : { code: 2, message: error },
  };
}

function attributesOf(attributes: FinishedSpan["attributes"]): object[] {
  const known = Object.entries(attributes).filter(([, value]) => value !== undefined);
  return known.map(([key, value]) => ({ key, value: typedValue(value!) }));
}

function typedValue(value: string | number | boolean): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

function nanoseconds(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n);
}
