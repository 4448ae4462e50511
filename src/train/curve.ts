/** The loss of a run over its steps, in memory of a fixed size: when it is full, neighbours are joined. */

export interface CurvePoint {
  /** Last step it stands for, counted from 1. */
  readonly step: number;
  /** Mean over its steps. */
  readonly loss: number;
  readonly learningRate: number;
  readonly gradientNorm: number;
}

export interface EvaluationPoint {
  readonly step: number;
  readonly loss: number;
  /** Share of answers that are right as a whole, where the data has answers. */
  readonly accuracy?: number;
}

export interface CurveState {
  readonly stride: number;
  readonly points: readonly CurvePoint[];
  readonly open: readonly CurvePoint[];
  readonly evaluations: readonly EvaluationPoint[];
}

const mostPoints = 1000;

export class Curve {
  #stride: number;
  #points: CurvePoint[];
  #open: CurvePoint[];
  readonly evaluations: EvaluationPoint[];

  constructor(state: CurveState = { stride: 1, points: [], open: [], evaluations: [] }) {
    this.#stride = state.stride;
    this.#points = [...state.points];
    this.#open = [...state.open];
    this.evaluations = [...state.evaluations];
  }

  add(point: CurvePoint): void {
    this.#open.push(point);
    if (this.#open.length < this.#stride) return;
    this.#points.push(joined(this.#open));
    this.#open = [];
    if (this.#points.length < mostPoints) return;
    const pairs = Array.from({ length: mostPoints / 2 }, (_, i) => joined(this.#points.slice(2 * i, 2 * i + 2)));
    this.#points = pairs;
    this.#stride *= 2;
  }

  /** All points, the last one perhaps of fewer steps. */
  get points(): CurvePoint[] {
    return this.#open.length === 0 ? [...this.#points] : [...this.#points, joined(this.#open)];
  }

  get state(): CurveState {
    return { stride: this.#stride, points: this.#points, open: this.#open, evaluations: this.evaluations };
  }
}

function joined(points: readonly CurvePoint[]): CurvePoint {
  const mean = (of: (point: CurvePoint) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  return {
    step: points.at(-1)?.step ?? 0,
    loss: mean(({ loss }) => loss),
    learningRate: points.at(-1)?.learningRate ?? 0,
    gradientNorm: mean(({ gradientNorm }) => gradientNorm),
  };
}
