import { afterEach, describe, expect, it } from "vitest";
import { QuireError } from "../../errors.js";
import type { EngineClient, EngineJob } from "../engine/client.js";
import { echoEngine } from "../engine/echo-engine.js";
import { EngineGone } from "../engine/engine-gone.js";
import { engineHost } from "./engine-host.js";
import type { EngineLink, Launch } from "./launch.js";
import { packError, unpackError } from "./protocol.js";
import { openSupervisedEngine, type SupervisedEngine } from "./supervised-engine.js";

/** The supervisor over a process that is played: messages are cloned as the channel clones them, and death is a call. */

interface Played {
  readonly launch: Launch;
  readonly links: (EngineLink & { die(reason?: string): void })[];
}

function played(open: () => Promise<EngineClient>): Played {
  const links: Played["links"] = [];
  const launch: Launch = ({ onMessage, onExit }) => {
    let alive = true;
    const die = (reason = "It was ended by SIGKILL"): void => {
      if (alive) setImmediate(() => onExit(reason));
      alive = false;
    };
    const receive = engineHost({
      open,
      send: (message) => {
        const copy = structuredClone(message);
        setImmediate(() => {
          if (alive) onMessage(copy);
        });
      },
      onEnd: () => setImmediate(() => die("It ended with code 0")),
    });
    const link = {
      pid: links.length + 1,
      send: (message: Parameters<EngineLink["send"]>[0]) => {
        const copy = structuredClone(message);
        setImmediate(() => {
          if (alive) receive(copy);
        });
      },
      kill: () => die(),
      die,
    };
    links.push(link);
    return link;
  };
  return { launch, links };
}

const job = (text: string, options: EngineJob["options"] = {}): EngineJob => ({
  id: "r",
  user: "u",
  prompt: Int32Array.from([...text], (character) => character.codePointAt(0)!),
  options,
});

async function collect(engine: EngineClient, asked: EngineJob, signal?: AbortSignal) {
  let text = "";
  const stream = engine.generate(asked, signal);
  for (;;) {
    const next = await stream.next();
    if (next.done === true) return { text, result: next.value };
    text += next.value.text;
  }
}

let engine: SupervisedEngine | undefined;
afterEach(() => engine?.close());

describe("an engine in another process", () => {
  it("generates, embeds and tells of passes", async () => {
    const { launch } = played(async () => echoEngine());
    engine = await openSupervisedEngine({}, { launch });
    expect(engine.info.model).toBe("echo");
    const passes: string[] = [];
    const stop = engine.onPass((pass) => passes.push(pass.requests[0]!.request));
    await new Promise((resolve) => setTimeout(resolve, 5));
    const { text, result } = await collect(engine, job("Hello, wörld"));
    expect(text).toBe("Hello, wörld");
    expect(result.usage).toMatchObject({ promptTokens: 12, completionTokens: 12 });
    expect(passes).toHaveLength(12);
    stop();
    const { vectors } = await engine.embed(["a", "b"]);
    expect(vectors[0]).toBeInstanceOf(Float32Array);
  });

  it("ends what is in flight with a typed error when it dies, and is back", async () => {
    const { launch, links } = played(async () => echoEngine({ delayMs: 5 }));
    engine = await openSupervisedEngine({}, { launch });
    const flights = ["one", "two"].map((text) => collect(engine!, job(text.repeat(50))));
    const vectors = engine.generate(job("three"));
    await vectors.next();
    links[0]!.die();
    for (const flight of flights) await expect(flight).rejects.toBeInstanceOf(EngineGone);
    await expect(vectors.next()).rejects.toMatchObject({ code: "native", got: expect.stringContaining("SIGKILL") });
    expect(engine.state).toBe("starting");
    await expect(collect(engine, job("x"))).rejects.toBeInstanceOf(EngineGone);
    await engine.whenReady();
    expect(engine.restarts).toBe(1);
    expect((await collect(engine, job("again"))).text).toBe("again");
  });

  it("lives through twenty deaths under load", async () => {
    const { launch, links } = played(async () => echoEngine());
    engine = await openSupervisedEngine({}, { launch, firstDelayMs: 1, longestDelayMs: 2 });
    let done = 0;
    let gone = 0;
    const client = async (): Promise<void> => {
      while (engine!.restarts < 20) {
        await engine!.whenReady();
        await collect(engine!, job("some words to say")).then(
          () => done++,
          (error) => {
            expect(error).toBeInstanceOf(EngineGone);
            gone++;
          },
        );
      }
    };
    const clients = Array.from({ length: 5 }, client);
    while (engine.restarts < 20) {
      await engine.whenReady();
      await new Promise((resolve) => setTimeout(resolve, 3));
      links.at(-1)!.die();
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    await Promise.all(clients);
    expect(done).toBeGreaterThan(0);
    expect(gone).toBeGreaterThan(0);
  });

  it("stops a request that is cancelled or not read on", async () => {
    let live = 0;
    const slow = echoEngine({ delayMs: 2 });
    const counted: EngineClient = {
      ...slow,
      async *generate(...args) {
        live++;
        try {
          return yield* slow.generate(...args);
        } finally {
          live--;
        }
      },
    };
    const { launch } = played(async () => counted);
    engine = await openSupervisedEngine({}, { launch });
    const stop = new AbortController();
    const flight = collect(engine, job("x".repeat(3000), { maxTokens: 1000 }), stop.signal);
    const left = engine.generate(job("y".repeat(3000), { maxTokens: 1000 }));
    await left.next();
    expect(live).toBe(2);
    stop.abort();
    await expect(flight).rejects.toMatchObject({ code: "cancelled" });
    await left.return(undefined as never);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(live).toBe(0);
  });

  it("says why a model cannot be opened, and leaves no process", async () => {
    const { launch, links } = played(async () => {
      throw new QuireError("not-found", "There is no such model.", { fix: "Name another." });
    });
    const opened = openSupervisedEngine({ model: "nothing" }, { launch });
    await expect(opened).rejects.toMatchObject({ code: "not-found", fix: "Name another." });
    expect(links).toHaveLength(1);
  });

  it("passes errors on as they are", () => {
    const error = new QuireError("bad-option", "No.", { got: { a: 1n }, expected: ["x"] });
    expect(unpackError(packError(error))).toMatchObject({ code: "bad-option", message: "No.", expected: '["x"]' });
    expect(unpackError(packError(new TypeError("odd"))).message).toBe("odd");
  });
});
