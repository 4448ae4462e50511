/** The map as one file that needs nothing else: the data, deflated, and the script that shows it. */

import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { type ColumnOptions, mapColumns } from "./map-columns.js";
import type { MapNode } from "./map-node.js";

export interface MapHtmlOptions extends Pick<ColumnOptions, "excerptOf"> {
  readonly title: string;
  readonly subtitle?: string;
  /** The viewer, as one script. */
  readonly script: string;
}

export async function mapHtml(root: MapNode, { title, subtitle, script, excerptOf }: MapHtmlOptions): Promise<string> {
  const columns = mapColumns(root, { chunkIds: false, excerptOf });
  const packed = await promisify(gzip)(JSON.stringify({ title, subtitle, columns }));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)}</title>
</head>
<body>
<div id="map"></div>
<noscript>This map needs scripts. <code>quire map --out map.svg</code> makes a picture that does not.</noscript>
<script type="application/octet-stream" id="map-data">${packed.toString("base64")}</script>
<script>${script.replace(/<\/(script)/gi, "<\\/$1")}</script>
</body>
</html>
`;
}

function escaped(content: string): string {
  return content.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
