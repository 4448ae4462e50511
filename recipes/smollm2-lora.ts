/** An adapter for SmolLM2 beside its frozen 4-bit weights, learnt from this project's own documentation in long sequences, chunk by
 *  chunk: quire complete "A cache policy " --adapter runs/smollm2-lora/adapter */
export default {
  name: "smollm2-lora",
  title: "SmolLM2 reads Quire's documentation",
  model: { from: "smollm2-135m-instruct", adapter: { rank: 8, targets: ["q_proj", "v_proj"] } },
  data: {
    text: ["../docs/guide.md", "../docs/architecture.md", "../docs/glossary.md", "../docs/methods"],
    evaluationBatches: 1,
  },
  batch: { sequences: 1, length: 1024 },
  trainer: "seco-spaco:chunk=256",
  steps: 30,
  evaluateEvery: 10,
  optimizer: { name: "adamw", learningRate: 1e-3, weightDecay: 0.05 },
  schedule: { kind: "cosine" },
};
