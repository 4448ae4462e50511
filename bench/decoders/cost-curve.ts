import { KeyValueStore } from "../../src/cache/store/key-values.js";
import { ForwardPass } from "../../src/engine/forward.js";
import { loadModel } from "../../src/engine/model.js";
import { median } from "../lib/statistics.js";

/** What a call of several rows costs beside one of one row: the rows of a chain, all logits wanted, behind a text of some length. Sizes
 *  take turns, so that a machine that is busy for a while slows all alike. */

export interface CostPoint {
  readonly products: "as-stored" | "in-parts";
  readonly context: number;
  readonly rows: number;
  /** Medians. */
  readonly ms: number;
  readonly cpuMs: number;
}

export interface CostCurve {
  readonly path: string;
  readonly threads: number;
  readonly contexts: readonly number[];
  readonly rows: readonly number[];
  readonly rounds: number;
  progress(text: string): void;
}

export async function costCurve({ path, threads, contexts, rows, rounds, progress }: CostCurve): Promise<CostPoint[]> {
  const points: CostPoint[] = [];
  for (const products of ["as-stored", "in-parts"] as const) {
    const model = await loadModel(path, { device: "cpu", threads, inParts: products === "in-parts" });
    const layers = model.architecture.memory(model.config).flatMap((need) => (need.kind === "none" ? [] : [need]));
    for (const context of contexts) {
      const store = new KeyValueStore(model.device, { layers, type: "f16" }, context + 128);
      store.reserve(context);
      const passes = new Map(rows.map((count) => [count, new ForwardPass(model)]));
      const times = new Map(rows.map((count) => [count, { ms: [] as number[], cpuMs: [] as number[] }]));
      for (let round = 0; round <= rounds; round++) {
        for (const count of rows) {
          const tokens = Int32Array.from({ length: count }, (_, i) => 100 + i);
          const positions = tokens.map((_, i) => context + i);
          const slots = store.reserve(count, positions);
          const parents = tokens.map((_, i) => i - 1);
          const [start, cpu] = [performance.now(), process.cpuUsage()];
          await passes.get(count)?.run([
            {
              store,
              tokens,
              positions,
              slots,
              wanted: Int32Array.from(tokens.keys()),
              sees: { kind: "tree", parents },
            },
          ]);
          const { user, system } = process.cpuUsage(cpu);
          // The first round builds the graphs.
          if (round > 0) {
            times.get(count)?.ms.push(performance.now() - start);
            times.get(count)?.cpuMs.push((user + system) / 1000);
          }
          store.rewind(context);
        }
        progress(`costs of calls, ${products}, context ${context}: round ${round} of ${rounds}`);
      }
      for (const [count, { ms, cpuMs }] of times)
        points.push({ products, context, rows: count, ms: median(ms), cpuMs: median(cpuMs) });
      for (const pass of passes.values()) pass.close();
      store.close();
    }
    await model.close();
  }
  return points;
}
