import { readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from "node:os";

/** What a figure depends on besides the program: processor, cores, memory, and what else the machine was doing. */

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  /** Waiting or running processes, mean of the last minute; well above the threads in use, a figure is worth little. */
  readonly loadBefore: number;
  readonly loadAfter: number;
}

export function oneMinuteLoad(): number {
  return round(loadavg()[0] ?? 0);
}

export function machineFacts(loadBefore: number): Machine {
  return {
    cpu: cpuModel(),
    cores: availableParallelism(),
    memoryGiB: round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    loadBefore,
    loadAfter: oneMinuteLoad(),
  };
}

/** Virtual machines often hide the processor's name; family and model still tell the generation. */
function cpuModel(): string {
  const name = cpus()[0]?.model.trim() ?? "unknown";
  if (platform() !== "linux") return name;
  const lines = readFileSync("/proc/cpuinfo", "utf8").split("\n");
  const field = (key: string) =>
    lines
      .find((line) => line.startsWith(key))
      ?.split(":")[1]
      ?.trim();
  const [family, model] = [field("cpu family"), field("model\t")];
  return family === undefined || model === undefined ? name : `${name} (family ${family}, model ${model})`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
