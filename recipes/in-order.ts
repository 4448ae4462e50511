/** The labels of a binary tree in order: `(a(b..)(c..))=` is answered `bac`.
 *  quire complete "(a(b..)(c..))=" --model runs/in-order/model.gguf */
export default {
  name: "in-order",
  title: "In-order traversal of binary trees",
  model: { architecture: "llama", hiddenSize: 64, layers: 2, heads: 4, innerSize: 128 },
  data: { task: "in-small" },
  batch: { sequences: 32, length: 32 },
  steps: 1500,
  optimizer: { name: "adamw", learningRate: 2e-3 },
};
