import { engineHost } from "./engine-host.js";
import type { FromEngine, ToEngine } from "./protocol.js";

/** Entry of the engine process. It ends when the server does, however the server ends; signals sent to the whole group are left to
 *  the server, which lets requests finish first. */

process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
process.on("disconnect", () => process.exit(0));

const receive = engineHost({
  open: async (settings, options) => (await import("../engine/local-engine.js")).openLocalEngine(settings, options),
  send: (message: FromEngine) => {
    if (process.connected) process.send?.(message);
  },
  // Messages go out in order, so when this last one is written all are.
  onEnd: () => process.send?.({ type: "over" } satisfies FromEngine, undefined, undefined, () => process.exit(0)),
});
process.on("message", (message) => receive(message as ToEngine));
