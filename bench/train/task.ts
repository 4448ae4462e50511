/** What both sides train: a Llama block model over bytes, the same weights, batch, optimiser and precision. */
export interface TrainLoad {
  readonly shape: ModelShape;
  readonly precision: "f32" | "bf16";
  readonly threads: number;
  /** Folder with the first weights, as safetensors with published names. */
  readonly weights: string;
  readonly seed: number;
}

export interface ModelShape {
  readonly name: string;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly inner: number;
  readonly sequences: number;
  readonly length: number;
}

export interface TrainTask {
  readonly steps: number;
}

export interface TrainResult {
  readonly losses: readonly number[];
  /** Seconds of the clock and of the processor, all threads together. */
  readonly seconds: number;
  readonly processorSeconds: number;
  /** Of the processor's seconds, those of the optimiser; Quire only. */
  readonly optimizerSeconds?: number;
}

export const vocabulary = 256;

export const shapes: readonly ModelShape[] = [
  { name: "1M", width: 128, layers: 4, heads: 4, inner: 384, sequences: 8, length: 128 },
  { name: "10M", width: 384, layers: 6, heads: 6, inner: 1024, sequences: 4, length: 256 },
];

/** Text that has something to learn: words of a small vocabulary in a random order, as bytes. */
export function trainingText(rows: number, seed: number): { tokens: Int32Array; targets: Int32Array } {
  const words = "the of and to in a is that for it as was with be by on not he his but at are this have".split(" ");
  let state = seed >>> 0;
  let text = "";
  while (text.length <= rows) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += `${words[Math.floor((state / 2 ** 32) * words.length)]} `;
  }
  const bytes = Int32Array.from(Buffer.from(text.slice(0, rows + 1)));
  return { tokens: bytes.slice(0, rows), targets: bytes.slice(1) };
}

export const learningRate = 1e-3;
export const optimizer = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 } as const;
