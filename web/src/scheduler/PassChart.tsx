import { useEffect, useRef, useState } from "react";
import type { Pass } from "../api/contract.js";
import { counted, duration } from "../ui/amounts.js";
import { promptParts, promptRows, roundedUp, shownUser } from "./pass-window.js";

interface PassChartProps {
  readonly passes: readonly Pass[];
  readonly users: readonly string[];
  readonly chosen: number | undefined;
  onChoose(at: number | undefined): void;
}

/** Prompt slices stand on the axis, replies hang below it on a scale of their own: a slice may have hundreds of rows where a reply
 *  has one, and on one scale the replies, which must not stall, could not be seen. */
const upper = 170;
const gap = 6;
const lower = 56;
const top = 8;
const foot = 24;
const left = 44;
const step = 10;
const floor = top + upper;
const height = floor + gap + lower + foot;

export const colourOf = (user: string, users: readonly string[]): string =>
  `var(--person-${(users.indexOf(user) % 6) + 1})`;

/** One column a forward pass, the newest at the right. */
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
  const mostRead = roundedUp(Math.max(1, ...shown.map(promptRows)));
  const mostWritten = roundedUp(Math.max(1, ...shown.map(({ decode_rows }) => decode_rows)));
  const x = (index: number) => width - (shown.length - index) * step;
  const first = shown[0];
  const last = shown.at(-1);
  const spanned = first === undefined || last === undefined ? 0 : Math.abs(last.at - first.at);
  // Times may be seconds or milliseconds since 1970; the newest one tells which.
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
        onBlur={() => onChoose(undefined)}
        onPointerMove={(event) => {
          const at = event.clientX - event.currentTarget.getBoundingClientRect().left;
          onChoose(shown[Math.floor((at - (width - shown.length * step)) / step)]?.at);
        }}
        onPointerLeave={() => onChoose(undefined)}
      >
        {width > 0 && (
          <>
            <Line at={top} width={width} words={String(mostRead)} />
            <Line at={top + upper / 2} width={width} words={String(mostRead / 2)} />
            <Line at={floor} width={width} words="0" />
            <Line at={floor + gap + lower} width={width} words={String(mostWritten)} />
          </>
        )}
        {shown.map((pass, index) => {
          let head = floor;
          const written = (pass.decode_rows / mostWritten) * lower;
          return (
            <g key={`${pass.at} ${pass.ms}`} opacity={chosen !== undefined && chosen !== pass.at ? 0.4 : 1}>
              {promptParts(pass, users).map(({ user, rows }) => {
                const tall = Math.max(1, (rows / mostRead) * upper);
                head -= tall;
                return (
                  <rect
                    key={user}
                    x={x(index) + 1}
                    y={head}
                    width={step - 2}
                    // A hair of the ground between parts tells them apart without colour.
                    height={tall > 3 ? tall - 1 : tall}
                    fill={colourOf(user, users)}
                  />
                );
              })}
              <rect x={x(index) + 1} y={floor + gap} width={step - 2} height={written} fill="var(--decode)" />
            </g>
          );
        })}
        {width > 0 && (
          <>
            <text className="axis-text" x={Math.min(Math.max(left, x(0)), width - 120)} y={height - 4}>
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

function Line({ at, width, words }: { at: number; width: number; words: string }) {
  return (
    <g>
      <line className="grid-line" x1={left} x2={width} y1={at} y2={at} />
      <text className="axis-text" x={left - 8} y={at + 4} textAnchor="end">
        {words}
      </text>
    </g>
  );
}

/** A pass in words. */
export function passWords(pass: Pass, users: readonly string[]): string {
  const parts = [
    ...(pass.decode_rows > 0 ? [`${counted(pass.decode_rows, "row")} of replies`] : []),
    ...promptParts(pass, users).map(({ user, rows }) => `${rows} of a prompt of ${shownUser(user)}`),
  ];
  return `${pass.ms.toFixed(1)} ms: ${parts.length === 0 ? "no rows" : parts.join(", ")}`;
}
