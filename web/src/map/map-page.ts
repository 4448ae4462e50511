import type { MapColumns } from "../../../src/corpus/map/map-columns.js";
import { mount } from "./map-view.js";

/** The script of a map file: unpacks the data that lies in the page and shows it. A topic can be linked to: map.html#topic-…. */

interface MapFile {
  readonly title: string;
  readonly subtitle?: string;
  readonly columns: MapColumns;
}

async function show(): Promise<void> {
  const element = document.getElementById("map");
  const packed = document.getElementById("map-data")?.textContent ?? "";
  if (element === null) return;
  document.body.style.margin = "0";
  element.style.cssText = "position:fixed;inset:0";
  try {
    const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
    const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const { title, subtitle, columns } = (await new Response(plain).json()) as MapFile;
    const view = mount(element, columns, {
      title,
      subtitle,
      onFocus: (id) => history.replaceState(null, "", id.startsWith("topic-") ? `#${id}` : location.pathname),
    });
    const linked = () => view.focus(decodeURIComponent(location.hash.slice(1)));
    if (location.hash.length > 1) linked();
    addEventListener("hashchange", linked);
  } catch (error) {
    element.textContent = `This map cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
  }
}

void show();
