/** The next binary number, least significant bit first: `110#=` is answered `001#`. A fifth of the examples have their depth drawn
 *  uniformly, since uniform bits hardly ever carry far. quire complete "110#=" --model runs/successor/model.gguf */
export default {
  name: "successor",
  title: "The next binary number",
  model: { architecture: "llama", hiddenSize: 64, layers: 2, heads: 4, innerSize: 128 },
  data: { task: "succ-deep" },
  batch: { sequences: 32, length: 26 },
  steps: 1500,
  optimizer: { name: "adamw", learningRate: 2e-3 },
};
