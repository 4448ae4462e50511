/** Indexes a folder in a process of its own, for tests of two at once and of sudden death.
 *  Arguments: folder, index folder, "wait" or "fail", milliseconds that each embedding call takes. Writes one line of JSON. */

import { setTimeout as sleep } from "node:timers/promises";
import { isQuireError } from "../../errors.js";
import { recursive } from "../chunk/recursive.js";
import { openCorpusIndex } from "./corpus-index.js";
import { hashingEmbedder } from "./hashing-embedder.case.js";

const [folder = "", indexFolder, whenLocked, delay = "0"] = process.argv.slice(2);
const embed = hashingEmbedder();
try {
  const index = await openCorpusIndex(folder, {
    chunker: recursive({ tokens: 32 }),
    countTokens: (text) => Math.ceil(Buffer.byteLength(text) / 4),
    embed: async (texts) => {
      await sleep(Number(delay));
      return embed(texts);
    },
    embeddingModel: "hashing",
    indexFolder,
    whenLocked: whenLocked === "fail" ? "fail" : "wait",
    onProgress: ({ phase, done }) => process.stderr.write(`${phase} ${done}\n`),
  });
  const { added, unchanged } = await index.update();
  process.stdout.write(JSON.stringify({ added: added.length, unchanged }));
} catch (error) {
  process.stdout.write(JSON.stringify(isQuireError(error) ? { code: error.code } : { error: String(error) }));
}
