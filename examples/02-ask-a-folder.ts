// Ask a folder of documents; every citation names a file and its lines.
import { Quire } from "quire";

const quire = await Quire.open("smollm2-135m-instruct");
const docs = await quire.corpus(process.argv[2] ?? "docs/guide");
const { answer, evidence } = await docs.ask("Which settings survive a restart?");
console.log(answer);
for (const { n, file, startLine, endLine, quote } of evidence)
  console.log(`[${n}] ${file}:${startLine}-${endLine}  ${quote}`);
await docs.close();
await quire.close();
