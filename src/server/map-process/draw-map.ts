import type { MapNode } from "../../corpus/map/map-node.js";
import { QuireError } from "../../errors.js";
import { unpackError } from "../engine-process/protocol.js";
import { forkModule } from "../fork-module.js";
import type { MapReply, MapRequest } from "./map-request.js";

/** Draws a map in a process of its own: that of a large corpus is minutes of computing, and nobody's answer should wait for it. */
export function drawMap(request: MapRequest, signal: AbortSignal): Promise<MapNode> {
  return new Promise((resolve, reject) => {
    const child = forkModule(import.meta.url, "map-worker");
    const stop = (): void => void child.kill("SIGKILL");
    signal.addEventListener("abort", stop, { once: true });
    let reply: MapReply | undefined;
    child.stderr?.resume();
    child.on("message", (message) => {
      reply = message as MapReply;
    });
    child.on("error", reject);
    child.on("close", (code, ended) => {
      signal.removeEventListener("abort", stop);
      if (signal.aborted) reject(new QuireError("cancelled", "Stopped on request."));
      else if (reply === undefined) reject(new QuireError("native", `The map was not drawn (${ended ?? code}).`));
      else if ("error" in reply) reject(unpackError(reply.error));
      else resolve(reply.root);
    });
    child.send(request, () => {});
  });
}
