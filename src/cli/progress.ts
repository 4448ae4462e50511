import { type Options, type Params, SingleBar } from "cli-progress";
import { bytes, oneLine, padEnd, seconds } from "./layout.js";

/** One bar at a time on stderr, only where that is a terminal. A bar is drawn once its phase lasts long enough to be seen. */

export interface Step {
  /** "Downloading", "Loading", "Indexing", "Reading". */
  readonly phase: string;
  readonly name?: string;
  readonly done: number;
  readonly total: number | undefined;
  readonly unit: "bytes" | "files" | "calls" | "texts" | "steps";
}

const shownAfterMs = 250;

export class Progress {
  #bar: SingleBar | undefined;
  #step: Step | undefined;
  #waiting: NodeJS.Timeout | undefined;

  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly enabled: boolean,
  ) {}

  show(step: Step): void {
    if (!this.enabled) return;
    if (this.#step?.phase !== step.phase) this.clear();
    this.#step = step;
    if (this.#bar === undefined) {
      this.#waiting ??= setTimeout(() => {
        if (this.#step !== undefined) this.#bar ??= this.#start(this.#step);
      }, shownAfterMs).unref();
      return;
    }
    if (step.total !== undefined) this.#bar.setTotal(step.total);
    this.#bar.update(step.done);
  }

  /** Takes the bar off the screen: something else will be written, or the work is done. */
  clear(): void {
    clearTimeout(this.#waiting);
    this.#bar?.stop();
    this.#waiting = undefined;
    this.#bar = undefined;
    this.#step = undefined;
  }

  #start(step: Step): SingleBar {
    const started = performance.now();
    const first = step.done;
    const bar = new SingleBar({
      format: (options: Options, params: Params) => {
        const elapsed = (performance.now() - started) / 1000;
        return this.#line(options, params.value, (params.value - first) / Math.max(elapsed, 0.001));
      },
      stream: this.stream,
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: false,
      gracefulExit: false,
      barsize: 24,
      fps: 10,
    });
    bar.start(step.total ?? 0, step.done);
    return bar;
  }

  #line(_options: Options, done: number, rate: number): string {
    const { phase = "", name = "", total, unit = "files" } = this.#step ?? {};
    const shown = (value: number) => (unit === "bytes" ? bytes(value) : value.toLocaleString("en-US"));
    if (total === undefined || total === 0) return `${phase} ${shown(done)} ${unit === "bytes" ? "" : unit}  ${name}`;
    const share = Math.min(1, done / total);
    const filled = Math.round(share * 24);
    const left = rate > 0 && done < total ? `  ${seconds((total - done) / rate)} left` : "";
    const of = `${shown(done)} of ${shown(total)}${unit === "bytes" ? "" : ` ${unit}`}`;
    const head = `${padEnd(phase, 11)} ${"█".repeat(filled)}${"░".repeat(24 - filled)} ${String(Math.floor(share * 100)).padStart(3)}%  ${of}${left}`;
    const room = (this.stream.columns ?? 80) - head.length - 4;
    return room > 12 && name !== "" ? `${head}  ${oneLine(name, room)}` : head;
  }
}
