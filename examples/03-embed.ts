// Sentence embeddings, unit length: the dot product is the cosine.
import { Embedder, resolveModel } from "quire";

const { path } = await resolveModel("all-minilm-l6-v2");
const embedder = await Embedder.open(path);
const [a, b, c] = await embedder.embed(["a cat on a mat", "a kitten on a rug", "quarterly tax report"]);
const cosine = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0);
console.log(`cat and kitten ${cosine(a!, b!).toFixed(2)}, cat and tax ${cosine(a!, c!).toFixed(2)}`);
await embedder.close();
