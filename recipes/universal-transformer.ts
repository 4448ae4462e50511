/** Pointer chase with one block that each position applies as often as it needs: questions of more hops take more steps, and only
 *  the steps that are taken are computed when the model is served. */
export default {
  name: "universal-transformer",
  title: "Where a letter leads after some hops, with steps as needed",
  model: {
    architecture: "universal-transformer",
    hiddenSize: 64,
    layers: 6,
    heads: 4,
    innerSize: 128,
    context: 128,
    fields: { "halting.halted": "freeze", "halting.output": "sum", "halting.bias": 0 },
  },
  data: { task: "pointer-chase" },
  batch: { sequences: 32, length: 23 },
  steps: 3000,
  optimizer: { name: "adamw", learningRate: 2e-3 },
  auxiliary: { ponder: 0.01 },
};
