import { describe, expect, it } from "vitest";
import { WorkerColumns } from "./worker-columns.js";

/** What a terminal shows of what was written to it. */
function screen(written: string): string[] {
  const lines: string[] = [];
  for (const part of written.split(/(\u001b\[\d+A\u001b\[0J|\n)/)) {
    const up = /^\u001b\[(\d+)A/.exec(part);
    if (up !== null) lines.splice(lines.length - Number(up[1]));
    else if (part !== "" && part !== "\n") lines.push(part);
    else if (part === "\n" && written === "") lines.push("");
  }
  return lines;
}

describe("workers side by side", () => {
  it("puts each text in its column, words whole, whoever is ahead", () => {
    const columns = new WorkerColumns(["Ann", "Ben"], { columns: 43, rows: 24 });
    let written = "";
    for (const [who, text] of [
      [0, "one two three four five six seven"],
      [1, "eins zwei"],
      [0, " eight"],
      [1, " drei vier fünf sechs sieben acht neun"],
    ] as const)
      written += columns.push(who, text);
    written += columns.end();
    expect(screen(written)).toEqual([
      "Ann                  │ Ben",
      "──────────────────── │ ────────────────────",
      "one two three four   │ eins zwei drei vier",
      "five six seven eight │ fünf sechs sieben",
      "                     │ acht neun",
    ]);
  });

  it("lets those behind go on below what has left the screen, and lets no text move the cursor", () => {
    const columns = new WorkerColumns(["A", "B"], { columns: 60, rows: 6 });
    let written = columns.push(1, "start\u001b[2J");
    for (let i = 0; i < 12; i++) written += columns.push(0, `line ${i}\n`);
    written += columns.push(1, " end\n");
    written += columns.end();
    const shown = screen(written);
    expect(shown.filter((line) => /line \d/.test(line))).toHaveLength(12);
    expect(shown.filter((line) => line.includes("start[2J") || line.includes(" end"))).not.toHaveLength(0);
    expect(written).not.toContain("\u001b[2J");
  });

  it("says when columns would be too narrow", () => {
    expect(WorkerColumns.fit(2, 80)).toBe(true);
    expect(WorkerColumns.fit(4, 80)).toBe(false);
  });
});
