/** Bytes of a text with a shared stack that each byte passes one to three times: put the text beside this file, or name another. */
export default {
  name: "mor",
  title: "Bytes of a text, with recursions that routers choose for",
  model: {
    architecture: "mor",
    hiddenSize: 128,
    layers: 8,
    heads: 4,
    innerSize: 344,
    context: 1024,
    fields: { recursions: 3, "router.kind": "expert", "router.alpha": 1 },
  },
  data: { text: ["text.txt"] },
  batch: { sequences: 8, length: 128 },
  steps: 1500,
  optimizer: { name: "adamw", learningRate: 2e-3 },
  auxiliary: { router: 0.01 },
};
