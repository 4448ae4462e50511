import { afterAll, describe, expect, it } from "vitest";
import { cpuFeatures, Device, defaultThreads, listDevices } from "./device.js";
import { Graph } from "./graph.js";
import { closeTestDevice, testDevice } from "./reference.case.js";
import type { Tensor } from "./tensor.js";

afterAll(closeTestDevice);

function longGraph() {
  const graph = new Graph(testDevice(1));
  const x = graph.input("x", "f32", [160, 160]);
  let y: Tensor = x;
  for (let layer = 0; layer < 300; layer++) y = y.linear(x).rmsNorm(1e-5);
  const result = graph.output(y);
  graph.compile();
  graph.host(x).fill(0.01);
  return { graph, result };
}

describe("Device", () => {
  it("lists the CPU and refuses unknown names and thread numbers", () => {
    const cpu = listDevices().find(({ kind }) => kind === "cpu");
    expect(cpu?.totalBytes).toBeGreaterThan(2 ** 28);
    expect(() => Device.open({ device: "abacus" })).toThrow(/no device "abacus"/);
    expect(() => Device.open({ threads: 0 })).toThrow(/number of threads/);
  });

  it("stops a run between two operations, and the graph can run again", async () => {
    const { graph, result } = longGraph();
    const start = performance.now();
    await graph.run();
    const whole = performance.now() - start;
    const wanted = graph.host(result).slice();
    const control = new AbortController();
    setTimeout(() => control.abort(), whole / 8);
    await expect(graph.run(control.signal)).rejects.toMatchObject({ code: "cancelled" });
    await expect(graph.run(AbortSignal.abort())).rejects.toMatchObject({ code: "cancelled" });
    await graph.run();
    expect(graph.host(result)).toEqual(wanted);
    graph.close();
  });

  it("leaves the event loop free, and takes one graph after the other", async () => {
    const [a, b] = [longGraph(), longGraph()];
    let ticks = 0;
    const timer = setInterval(() => ticks++, 2);
    await Promise.all([a.graph.run(), b.graph.run()]);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(5);
    expect(a.graph.host(a.result)).toEqual(b.graph.host(b.result));
    a.graph.close();
    b.graph.close();
  });

  it("refuses work after close", async () => {
    const device = Device.open({ device: "cpu", threads: 1 });
    const graph = new Graph(device);
    graph.output(graph.range(3).neg());
    graph.compile();
    await device.close();
    await device.close();
    await expect(graph.run()).rejects.toThrow(/device was closed/);
  });
});

describe("defaultThreads", () => {
  it("leaves out busy cores, up to half of all", () => {
    expect(defaultThreads(8, 0)).toBe(8);
    expect(defaultThreads(8, 2.1)).toBe(6);
    expect(defaultThreads(8, 50)).toBe(4);
    expect(defaultThreads(2, 0.4)).toBe(2);
    expect(defaultThreads(2, 1.2)).toBe(1);
    expect(defaultThreads(1, 9)).toBe(1);
  });
});

describe("cpuFeatures", () => {
  it("names what the processor offers", () => {
    const features = cpuFeatures();
    expect(features.size).toBeGreaterThan(0);
    expect([...features].every((name) => /^[A-Z0-9_]+$/.test(name))).toBe(true);
    if (process.arch === "x64") expect(features).toContain("SSE3");
  });
});
