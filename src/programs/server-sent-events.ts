/** Reads a stream of server-sent events from bytes that arrive in any pieces: line ends of all three kinds, comments, events of
 *  several data lines, characters and line ends cut in two. Follows the HTML standard's rules, except that an event whose
 *  closing blank line never came is handed out at the end: some servers leave it out. */

export interface ServerSentEvent {
  /** "message" unless the server names it. */
  readonly event: string;
  readonly data: string;
}

export class EventStreamParser {
  private readonly decoder = new TextDecoder();
  private buffer = "";
  private data: string[] = [];
  private event = "";

  push(bytes: Uint8Array): ServerSentEvent[] {
    return this.take(this.decoder.decode(bytes, { stream: true }), false);
  }

  end(): ServerSentEvent[] {
    const events = this.take(this.decoder.decode(), true);
    const last = this.dispatch();
    return last === undefined ? events : [...events, last];
  }

  private take(text: string, atEnd: boolean): ServerSentEvent[] {
    this.buffer += text;
    const events: ServerSentEvent[] = [];
    let start = 0;
    const lineEnd = /\r\n|\n|\r/g;
    for (let match = lineEnd.exec(this.buffer); match !== null; match = lineEnd.exec(this.buffer)) {
      // A carriage return at the very end may be the first half of a pair.
      if (match[0] === "\r" && lineEnd.lastIndex === this.buffer.length && !atEnd) break;
      const event = this.line(this.buffer.slice(start, match.index));
      if (event !== undefined) events.push(event);
      start = lineEnd.lastIndex;
    }
    this.buffer = this.buffer.slice(start);
    if (atEnd && this.buffer !== "") {
      const event = this.line(this.buffer);
      if (event !== undefined) events.push(event);
      this.buffer = "";
    }
    return events;
  }

  private line(line: string): ServerSentEvent | undefined {
    if (line === "") return this.dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.data.push(value);
    else if (field === "event") this.event = value;
    return;
  }

  private dispatch(): ServerSentEvent | undefined {
    const { data, event } = this;
    this.data = [];
    this.event = "";
    return data.length === 0 ? undefined : { event: event || "message", data: data.join("\n") };
  }
}

export async function* serverSentEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const parser = new EventStreamParser();
  for await (const bytes of body) yield* parser.push(bytes);
  yield* parser.end();
}
