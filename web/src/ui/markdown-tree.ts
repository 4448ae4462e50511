import type { Root } from "mdast";
import remarkGfm from "remark-gfm";
import remarkParse from "remark-parse";
import { unified } from "unified";

/** Markdown to its tree. Raw HTML stays text in it, so what is drawn from it cannot run anything. */

const parser = unified().use(remarkParse).use(remarkGfm, { singleTilde: false }).freeze();

export const markdownTree = (text: string): Root => parser.parse(text) as Root;

/** Only addresses that cannot run code: links leave the page, everything else is shown as words. */
export function safeAddress(address: string): string | undefined {
  try {
    const { protocol, href } = new URL(address);
    return ["http:", "https:", "mailto:"].includes(protocol) ? href : undefined;
  } catch {
    return undefined;
  }
}
