/** Sums of two numbers of up to two digits, in two minutes on two cores. One character is one token, and the answer is read as it is
 *  written: quire complete "12+34=" --model runs/addition/model.gguf
 *  There are only 10,000 such sums: strong weight decay keeps so small a model from learning them one by one. */
export default {
  name: "addition",
  title: "Addition of two numbers",
  model: { architecture: "llama", hiddenSize: 64, layers: 2, heads: 4, innerSize: 128 },
  data: { task: "addition" },
  batch: { sequences: 128, length: 9 },
  steps: 1500,
  optimizer: { name: "adamw", learningRate: 4e-3, weightDecay: 1 },
};
