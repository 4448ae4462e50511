import { QuireError } from "../errors.js";
import { bytes } from "./layout.js";
import type { Session } from "./session.js";

/** `quire models merge`: a model with an adapter added into its weights, as a file of its own. */
export async function mergeModel(session: Session, name: string, adapterPath: string, out: string): Promise<void> {
  const { resolveModel } = await import("../weights/resolve-model.js");
  const { architectureOf } = await import("../models/registry.js");
  const { readAdapter } = await import("../weights/adapter-file.js");
  const { mergeAdapter } = await import("../weights/merge-adapter.js");
  const { openWeightFile } = await import("../weights/open-weight-file.js");
  const { Device } = await import("../tensor/device.js");
  const { stat } = await import("node:fs/promises");
  if ((await stat(out).catch(() => undefined)) !== undefined) {
    throw new QuireError("bad-input", `${out} is there already.`, { got: out, fix: "Choose another name." });
  }
  const { path } = await resolveModel(name, { offline: true, signal: session.signal });
  const file = await openWeightFile(path);
  const device = Device.open({ device: "cpu" });
  try {
    const architecture = architectureOf(file);
    const requests = architecture.weights(architecture.readConfig(file), file);
    const adapter = await readAdapter(adapterPath, requests);
    await mergeAdapter(file, requests, adapter, out, { device, signal: session.signal });
    const merged = await openWeightFile(out);
    await merged.close();
    const { sizeBytes } = merged;
    if (session.json) session.result({ model: out, changed: adapter.matrices.size, sizeBytes });
    else session.line(`${out}: ${adapter.matrices.size} weights changed, ${bytes(sizeBytes)}.`);
  } finally {
    await file.close();
    await device.close();
  }
}
