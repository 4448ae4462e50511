import { constants, setPriority } from "node:os";
import { openCorpusIndex } from "../../corpus/index/corpus-index.js";
import { Corpus } from "../../corpus-session.js";
import { partOf } from "../../methods.js";
import { estimateTokens } from "../../programs/token-estimate.js";
import { packError } from "../engine-process/protocol.js";
import { renamedIndex } from "../library/renamed-index.js";
import type { MapReply, MapRequest } from "./map-request.js";

/** Entry of the process that draws one map and ends. It reads an index as it is, and gives way to everything else. */

process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
process.on("disconnect", () => process.exit(0));
setPriority(constants.priority.PRIORITY_LOW);

process.once("message", async (message) => {
  const reply = await draw(message as MapRequest).catch((error: unknown): MapReply => ({ error: packError(error) }));
  process.send?.(reply, undefined, undefined, () => process.exit(0));
});

async function draw({ folder, indexFolder, title, names }: MapRequest): Promise<MapReply> {
  const chunker = await partOf("chunker", "recursive");
  const index = await openCorpusIndex(folder, { chunker, countTokens: estimateTokens, indexFolder });
  const byName = new Map(Object.entries(names ?? {}).map(([uri, name]) => [name, uri]));
  const shown =
    names === undefined
      ? index
      : renamedIndex(index, {
          shown: (uri) => names[uri] ?? uri,
          onDisk: (name) => byName.get(name) ?? name,
        });
  const corpus = new Corpus(shown, undefined, await partOf("selector", "hybrid"), undefined);
  const { root } = await corpus.map({ title });
  return { root };
}
