interface SmallChartProps {
  readonly label: string;
  readonly now: string;
  readonly values: readonly number[];
  /** What the top of the picture stands for. */
  readonly most: number;
}

const width = 300;
const height = 56;

/** A line of one value over the passes, with its newest value in words. */
export function SmallChart({ label, now, values, most }: SmallChartProps) {
  const x = (index: number) => (values.length < 2 ? 0 : (index / (values.length - 1)) * width);
  const y = (value: number) => height - 1 - (Math.min(value, most) / Math.max(most, 1e-9)) * (height - 4);
  const line = values
    .map((value, index) => `${index === 0 ? "M" : "L"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("");
  return (
    <figure className="small-chart">
      <figcaption>
        <span className="faint small">{label}</span>
        <span className="figure small-chart-now">{now}</span>
      </figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
        <line className="grid-line" x1="0" x2={width} y1={height - 1} y2={height - 1} />
        {values.length > 1 && (
          <>
            <path className="small-chart-area" d={`${line}L${width} ${height}L0 ${height}Z`} />
            <path className="small-chart-line" d={line} />
          </>
        )}
      </svg>
    </figure>
  );
}
