/** Sums of numbers of up to two digits, in a few minutes on two cores. One character is one token, and the answer is read as it is
 *  written: quire complete "12+34=" --model runs/addition/model.gguf */
export default {
  name: "addition",
  title: "Addition of two numbers",
  model: { architecture: "llama", hiddenSize: 128, layers: 3, heads: 4, innerSize: 256 },
  data: { task: "addition" },
  batch: { sequences: 128, length: 12 },
  steps: 1200,
  optimizer: { name: "adamw", learningRate: 2e-3, weightDecay: 0.1 },
};
