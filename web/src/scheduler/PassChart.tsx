import { useEffect, useRef, useState } from "react";
import type { Pass } from "../api/contract.js";
import { counted, duration } from "../ui/amounts.js";
import { partsOf, roundedUp, rowsOf } from "./pass-window.js";

interface PassChartProps {
  readonly passes: readonly Pass[];
  readonly users: readonly string[];
  readonly chosen: number | undefined;
  onChoose(at: number | undefined): void;
}

const height = 230;
const left = 40;
const bottom = 22;
const top = 8;
const step = 10;

export const colourOf = (user: string | undefined, users: readonly string[]): string =>
  user === undefined ? "var(--decode)" : `var(--person-${(users.indexOf(user) % 6) + 1})`;

/** One bar a forward pass, the newest at the right: decode rows at the foot, on them the prompt slices of each user. */
export function PassChart({ passes, users, chosen, onChoose }: PassChartProps) {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);

  useEffect(() => {
    const shown = frame.current;
    if (shown === null) return;
    const observer = new ResizeObserver(() => setWidth(shown.clientWidth));
    observer.observe(shown);
    return () => observer.disconnect();
  }, []);

  const room = Math.max(0, Math.floor((width - left) / step));
  const shown = passes.slice(-room);
  const most = roundedUp(Math.max(1, ...shown.map(rowsOf)));
  const scale = (rows: number) => (rows / most) * (height - bottom - top);
  const floor = height - bottom;
  const x = (index: number) => width - (shown.length - index) * step;
  const first = shown[0];
  const last = shown.at(-1);
  const spanned = first === undefined || last === undefined ? 0 : Math.abs(last.at - first.at);
  // Times may be seconds or milliseconds; either way the newest one tells which.
  const seconds = last !== undefined && last.at > 1e11 ? spanned / 1000 : spanned;

  const move = (by: number) => {
    const index = chosen === undefined ? shown.length - 1 : shown.findIndex(({ at }) => at === chosen);
    onChoose(shown[Math.min(shown.length - 1, Math.max(0, index + by))]?.at);
  };

  return (
    <div className="pass-chart" ref={frame}>
      <svg
        width={width}
        height={height}
        role="img"
        aria-label={`Rows of the last ${shown.length} passes. Arrow keys go from pass to pass.`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys go from pass to pass, read out below
        tabIndex={0}
        onKeyDown={(event) => {
          if (event.key === "ArrowLeft") move(-1);
          else if (event.key === "ArrowRight") move(1);
          else if (event.key === "Escape") onChoose(undefined);
          else return;
          event.preventDefault();
        }}
        onPointerMove={(event) => {
          const at = event.clientX - event.currentTarget.getBoundingClientRect().left;
          onChoose(shown[Math.floor((at - (width - shown.length * step)) / step)]?.at);
        }}
        onPointerLeave={() => onChoose(undefined)}
      >
        {[0, 0.5, 1].map((share) => (
          <g key={share}>
            <line
              className="grid-line"
              x1={left}
              x2={width}
              y1={floor - scale(most * share)}
              y2={floor - scale(most * share)}
            />
            <text className="axis-text" x={left - 8} y={floor - scale(most * share) + 4} textAnchor="end">
              {Math.round(most * share)}
            </text>
          </g>
        ))}
        {shown.map((pass, index) => {
          let foot = floor;
          const faded = chosen !== undefined && chosen !== pass.at;
          return (
            <g key={`${pass.at} ${pass.ms}`} opacity={faded ? 0.4 : 1}>
              {partsOf(pass, users).map(({ user, rows }) => {
                const tall = Math.max(1, scale(rows));
                foot -= tall;
                return (
                  <rect
                    key={user ?? ""}
                    x={x(index) + 1}
                    y={foot}
                    width={step - 2}
                    // A hair of the ground between parts tells them apart without colour.
                    height={tall > 3 ? tall - 1 : tall}
                    fill={colourOf(user, users)}
                  />
                );
              })}
            </g>
          );
        })}
        {width > 0 && (
          <>
            <text className="axis-text" x={left} y={height - 4}>
              {seconds > 0 ? `${duration(seconds)} ago` : ""}
            </text>
            <text className="axis-text" x={width} y={height - 4} textAnchor="end">
              now
            </text>
          </>
        )}
      </svg>
    </div>
  );
}

/** A pass in words. */
export function passWords(pass: Pass, users: readonly string[]): string {
  const parts = partsOf(pass, users).map(({ user, rows }) =>
    user === undefined ? counted(rows, "decode row") : `${rows} of ${user}’s prompt`,
  );
  return `${pass.ms.toFixed(1)} ms: ${parts.length === 0 ? "no rows" : parts.join(", ")}`;
}
