import { CopyButton } from "./CopyButton.js";

/** Code as it stands, with its language and a button to copy it. */
export function CodeBlock({ code, language }: { code: string; language?: string | undefined }) {
  return (
    <figure className="code-block">
      <figcaption>
        <span>{language ?? "text"}</span>
        <CopyButton text={() => code} label="Copy code" />
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: wide code is scrolled with the keys */}
      <pre tabIndex={0}>
        <code>{code}</code>
      </pre>
    </figure>
  );
}
