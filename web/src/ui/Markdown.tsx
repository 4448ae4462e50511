import type { Nodes, RootContent } from "mdast";
import { Fragment, memo, type ReactNode } from "react";
import { CodeBlock } from "./CodeBlock.js";
import { markdownTree, safeAddress } from "./markdown-tree.js";
import "./markdown.css";

/** Markdown drawn as React elements. No HTML is ever set, images are shown as links (nothing is fetched from elsewhere). */

export interface MarkdownProps {
  readonly text: string;
  /** Draws a piece of plain text, for those who find citations in it. */
  readonly drawText?: (text: string) => ReactNode;
}

export const Markdown = memo(function Markdown({ text, drawText }: MarkdownProps) {
  return <div className="markdown">{drawAll(markdownTree(text).children, drawText)}</div>;
});

type DrawText = MarkdownProps["drawText"];

function drawAll(nodes: readonly RootContent[], drawText: DrawText): ReactNode {
  // biome-ignore lint/suspicious/noArrayIndexKey: text only grows at its end, so a block keeps its place
  return nodes.map((node, index) => <Fragment key={index}>{draw(node, drawText)}</Fragment>);
}

function draw(node: Nodes, drawText: DrawText): ReactNode {
  switch (node.type) {
    case "text":
      return drawText?.(node.value) ?? node.value;
    case "paragraph":
      return <p>{drawAll(node.children, drawText)}</p>;
    case "heading": {
      // The page has its own h1 and h2: an answer's headings come below them.
      const Heading = (["h3", "h3", "h4"] as const)[node.depth - 1] ?? "h4";
      return <Heading>{drawAll(node.children, drawText)}</Heading>;
    }
    case "strong":
      return <strong>{drawAll(node.children, drawText)}</strong>;
    case "emphasis":
      return <em>{drawAll(node.children, drawText)}</em>;
    case "delete":
      return <del>{drawAll(node.children, drawText)}</del>;
    case "inlineCode":
      return <code>{node.value}</code>;
    case "code":
      return <CodeBlock code={node.value} language={node.lang ?? undefined} />;
    case "break":
      return <br />;
    case "thematicBreak":
      return <hr />;
    case "blockquote":
      return <blockquote>{drawAll(node.children, drawText)}</blockquote>;
    case "list":
      return node.ordered ? (
        <ol start={node.start ?? 1}>{drawAll(node.children, drawText)}</ol>
      ) : (
        <ul>{drawAll(node.children, drawText)}</ul>
      );
    case "listItem":
      return (
        <li>
          {typeof node.checked === "boolean" && (
            <input type="checkbox" checked={node.checked} disabled aria-label={node.checked ? "done" : "open"} />
          )}
          {node.children.map((child, index) =>
            child.type === "paragraph" && !node.spread ? (
              // biome-ignore lint/suspicious/noArrayIndexKey: see drawAll
              <Fragment key={index}>{drawAll(child.children, drawText)}</Fragment>
            ) : (
              // biome-ignore lint/suspicious/noArrayIndexKey: see drawAll
              <Fragment key={index}>{draw(child, drawText)}</Fragment>
            ),
          )}
        </li>
      );
    case "link":
      return drawLink(node.url, drawAll(node.children, drawText));
    case "image":
      return drawLink(node.url, node.alt === null || node.alt === undefined || node.alt === "" ? node.url : node.alt);
    case "table":
      return (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table is scrolled with the keys
        <section className="markdown-table" tabIndex={0} aria-label="Table">
          <table>
            <thead>{node.children.slice(0, 1).map((row) => drawRow(row.children, "th", drawText))}</thead>
            <tbody>
              {node.children.slice(1).map((row, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: see drawAll
                <Fragment key={index}>{drawRow(row.children, "td", drawText)}</Fragment>
              ))}
            </tbody>
          </table>
        </section>
      );
    case "html":
      return node.value;
    case "linkReference":
    case "footnoteDefinition":
      return "children" in node ? drawAll(node.children as RootContent[], drawText) : null;
    case "imageReference":
      return node.alt ?? null;
    case "footnoteReference":
      return `[${node.label ?? node.identifier}]`;
    default:
      return null;
  }
}

function drawRow(cells: readonly { children: RootContent[] }[], Cell: "th" | "td", drawText: DrawText): ReactNode {
  return (
    <tr key="row">
      {cells.map((cell, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: see drawAll
        <Cell key={index}>{drawAll(cell.children, drawText)}</Cell>
      ))}
    </tr>
  );
}

function drawLink(url: string, words: ReactNode): ReactNode {
  const address = safeAddress(url);
  if (address === undefined) return words;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer nofollow">
      {words}
    </a>
  );
}
