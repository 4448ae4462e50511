import type { CacheInspection } from "./cache-inspection.js";

/** What caches kept, as one file that needs nothing else: the text, shaded by how many heads keep each token, for each policy beside
 *  the others; time, layer and head are chosen with sliders. */
export function cachePage(title: string, inspections: readonly CacheInspection[]): string {
  const data = JSON.stringify(inspections).replace(/</g, "\\u003c");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escaped(title)}</h1>
<p class="hint">Each token is shaded by the share of the chosen layers and heads that keep it. A dashed line ends the prompt.</p>
<form id="controls">
<label>Time <input type="range" id="time" min="0" value="9999"> <output id="time-text"></output></label>
<label>Layer <select id="layer"></select></label>
<label>Head <select id="head"></select></label>
</form>
<main id="columns"></main>
<noscript>This page needs scripts.</noscript>
<script type="application/json" id="data">${data}</script>
<script>${script}</script>
</body>
</html>
`;
}

function escaped(content: string): string {
  return content.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

const style = `
:root { --ink: #1a1a1a; --dim: #5f5f5f; --page: #fff; --edge: #d8d8d8; --heat: 26 115 85; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececec; --dim: #a5a5a5; --page: #161616; --edge: #3a3a3a; --heat: 52 168 120; }
}
body { margin: 0 auto; max-width: 110rem; padding: 1.5rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0; }
.hint { color: var(--dim); margin: 0.25rem 0 1rem; }
form { display: flex; flex-wrap: wrap; gap: 0.75rem 1.5rem; align-items: center; position: sticky; top: 0;
  background: var(--page); padding: 0.5rem 0; border-bottom: 1px solid var(--edge); }
label { display: flex; gap: 0.5rem; align-items: center; }
#time { width: min(40vw, 20rem); }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.5rem; }
h2 { font: 600 1rem ui-monospace, monospace; margin: 1rem 0 0; }
.share { color: var(--dim); margin: 0 0 0.5rem; font-variant-numeric: tabular-nums; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; font: 15px/1.65 ui-monospace, monospace; }
.text span { border-radius: 2px; }
.text .first-written { border-left: 2px dashed var(--dim); padding-left: 2px; }
canvas { width: 100%; height: auto; image-rendering: pixelated; border: 1px solid var(--edge); margin-top: 0.75rem; }
figcaption { color: var(--dim); font-size: 0.85rem; }
figure { margin: 0; }
`;

const script = `
const inspections = JSON.parse(document.getElementById("data").textContent);
const time = document.getElementById("time"), layer = document.getElementById("layer"), head = document.getElementById("head");
const first = inspections[0];
const choices = (select, numbers) => {
  select.append(new Option("all", ""), ...numbers.map((number) => new Option(number, number)));
};
choices(layer, first.layers);
choices(head, Array.from({ length: first.kvHeads }, (_, head) => head));
time.max = Math.max(...inspections.map(({ snapshots }) => snapshots.length)) - 1;
time.value = time.max;
const columns = inspections.map((inspection) => {
  const section = document.createElement("section");
  section.innerHTML = '<h2></h2><p class="share"></p><div class="text"></div><figure><canvas></canvas>' +
    "<figcaption>Tokens from left to right, all heads of all layers from top to bottom.</figcaption></figure>";
  section.querySelector("h2").textContent = inspection.policy;
  const spans = inspection.tokens.map(({ text }, index) => {
    const span = document.createElement("span");
    span.textContent = text;
    if (index === inspection.promptTokens) span.className = "first-written";
    return span;
  });
  section.querySelector(".text").append(...spans);
  document.getElementById("columns").append(section);
  const bits = inspection.snapshots.map(({ kept }) => Uint8Array.from(atob(kept), (char) => char.charCodeAt(0)));
  return { inspection, spans, bits, section };
});
function show() {
  for (const { inspection, spans, bits, section } of columns) {
    const { layers, kvHeads, snapshots, promptTokens } = inspection;
    const at = Math.min(Number(time.value), snapshots.length - 1);
    const { tokens } = snapshots[at];
    const width = Math.ceil(tokens / 8);
    const counts = new Uint32Array(tokens);
    const canvas = section.querySelector("canvas");
    canvas.width = tokens;
    canvas.height = layers.length * kvHeads;
    const image = new ImageData(canvas.width, canvas.height);
    let rows = 0, held = 0;
    for (let row = 0; row < canvas.height; row++) {
      const chosen = (layer.value === "" || layers[Math.floor(row / kvHeads)] === Number(layer.value)) &&
        (head.value === "" || row % kvHeads === Number(head.value));
      if (chosen) rows++;
      for (let token = 0; token < tokens; token++) {
        if (!((bits[at][row * width + (token >> 3)] >> (token & 7)) & 1)) continue;
        image.data.set([40, 150, 110, chosen ? 255 : 60], (row * tokens + token) * 4);
        if (chosen) { counts[token]++; held++; }
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    spans.forEach((span, token) => {
      span.hidden = token >= tokens;
      const share = token < tokens ? counts[token] / Math.max(1, rows) : 0;
      span.style.background = share === 0 ? "" : "rgb(var(--heat) / " + (0.1 + 0.75 * share).toFixed(2) + ")";
      span.style.opacity = share === 0 ? 0.45 : 1;
      span.title = "token " + token + ": kept by " + Math.round(100 * share) + " %";
    });
    section.querySelector(".share").textContent = (100 * held / Math.max(1, rows * tokens)).toFixed(1) +
      " % kept of " + tokens + " tokens";
    document.getElementById("time-text").textContent = tokens <= promptTokens ? tokens + " tokens of the prompt read"
      : (tokens - promptTokens) + " tokens written";
  }
}
for (const control of [time, layer, head]) control.addEventListener("input", show);
document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
show();
`;
