import type { Round } from "../api/inside.js";
import { placeTree, visible } from "./watched.js";

const column = 116;
const row = 30;
const nodeWidth = 100;
const nodeHeight = 22;

/** The drafts of one pass, from left to right: what was accepted is filled, what followed stands at the end. */
export function DraftTree({ round }: { round: Round }) {
  const { nodes, lines, depth } = placeTree(round);
  const width = (depth + 1) * column;
  const height = Math.max(1, lines) * row;
  const x = (at: number) => at * column;
  const y = (line: number) => line * row + row / 2;
  const last = nodes.filter(({ accepted }) => accepted).at(-1);
  const nextAt = last === undefined ? { x: 0, y: y(lines) } : { x: x(last.depth + 1), y: y(last.line) };
  const words = `${nodes.length} drafted, ${round.accepted.length} accepted, then ${JSON.stringify(round.next)}`;
  return (
    <div className="draft-tree">
      <svg
        width={width}
        height={last === undefined ? height + row : height}
        role="img"
        aria-label={words}
        focusable="false"
      >
        {nodes.map(({ row: own, parent, depth: at, line, accepted }) => {
          const above = nodes[parent];
          if (above === undefined) return null;
          const from = `${x(above.depth) + nodeWidth} ${y(above.line)}`;
          return (
            <path
              key={own}
              className={accepted ? "draft-edge draft-edge-kept" : "draft-edge"}
              d={`M${from}C${x(at) - 8} ${y(above.line)} ${x(at) - 8} ${y(line)} ${x(at)} ${y(line)}`}
            />
          );
        })}
        {nodes.map(({ row: own, token, depth: at, line, accepted }) => (
          <g key={own} className={accepted ? "draft-node draft-node-kept" : "draft-node"}>
            <rect x={x(at)} y={y(line) - nodeHeight / 2} width={nodeWidth} height={nodeHeight} rx={4} />
            <text x={x(at) + nodeWidth / 2} y={y(line) + 4}>
              {shortened(token)}
            </text>
          </g>
        ))}
        <g className="draft-node draft-node-next">
          <rect x={nextAt.x + 1} y={nextAt.y - nodeHeight / 2} width={nodeWidth} height={nodeHeight} rx={4} />
          <text x={nextAt.x + nodeWidth / 2} y={nextAt.y + 4}>
            {shortened(round.next)}
          </text>
        </g>
      </svg>
    </div>
  );
}

function shortened(token: string): string {
  const shown = visible(token);
  return shown.length > 12 ? `${shown.slice(0, 11)}…` : shown;
}
