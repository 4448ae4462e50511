import { useEffect, useState } from "react";
import { IconButton } from "./Button.js";

/** Copies text; says for two seconds that it did. */
export function CopyButton({ text, label = "Copy" }: { text: () => string; label?: string }) {
  const [said, setSaid] = useState<"copied" | "failed" | undefined>();
  useEffect(() => {
    if (said === undefined) return;
    const timer = setTimeout(() => setSaid(undefined), 2000);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = () => {
    if (navigator.clipboard === undefined) return setSaid("failed");
    navigator.clipboard.writeText(text()).then(
      () => setSaid("copied"),
      () => setSaid("failed"),
    );
  };
  const words = said === "copied" ? "Copied" : said === "failed" ? "The browser did not allow it" : label;
  return (
    <>
      <IconButton icon={said === "copied" ? "check" : "copy"} label={words} size={18} onClick={copy} />
      <span className="visually-hidden" aria-live="polite">
        {said === undefined ? "" : words}
      </span>
    </>
  );
}
