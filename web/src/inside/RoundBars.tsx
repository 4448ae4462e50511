import type { Round } from "../api/inside.js";

interface RoundBarsProps {
  readonly rounds: readonly Round[];
  readonly chosen: number;
  onChoose(round: number): void;
}

const most = 120;

/** Tokens that each pass gave, over time. A bar shows its tree. */
export function RoundBars({ rounds, chosen, onChoose }: RoundBarsProps) {
  const first = Math.max(0, rounds.length - most);
  const highest = Math.max(2, ...rounds.map(({ accepted }) => accepted.length + 1));
  return (
    <figure className="round-bars">
      <figcaption className="small faint">
        Tokens a pass, over time; the newest at the right. The arrow keys choose.
      </figcaption>
      {/* One stop for the keyboard; the bars themselves would be a hundred. */}
      <div
        className="round-bar-row"
        role="slider"
        tabIndex={0}
        aria-label="Pass"
        aria-valuemin={1}
        aria-valuemax={rounds.length}
        aria-valuenow={chosen + 1}
        aria-valuetext={`Pass ${chosen + 1} gave ${(rounds[chosen]?.accepted.length ?? 0) + 1} tokens`}
        onKeyDown={(event) => {
          const by = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
          if (by === 0) return;
          event.preventDefault();
          onChoose(Math.min(rounds.length - 1, Math.max(0, chosen + by)));
        }}
      >
        {rounds.slice(first).map(({ accepted }, index) => {
          const round = first + index;
          return (
            <span
              key={round}
              className={round === chosen ? "round-bar round-bar-chosen" : "round-bar"}
              style={{ height: `${(100 * (accepted.length + 1)) / highest}%` }}
              onPointerDown={() => onChoose(round)}
            />
          );
        })}
      </div>
    </figure>
  );
}
