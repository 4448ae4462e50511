import { type Ref, useState } from "react";
import { Icon } from "../ui/Icon.js";

interface ComposerProps {
  readonly ref: Ref<HTMLTextAreaElement>;
  readonly writing: boolean;
  onSend(text: string): void;
  onStop(): void;
}

/** Where a message is written. Enter sends, Shift and Enter begin a new line; while a reply is written the same button stops it. */
export function Composer({ ref, writing, onSend, onStop }: ComposerProps) {
  const [text, setText] = useState("");
  const empty = text.trim() === "";
  const sendIt = () => {
    if (empty || writing) return;
    onSend(text.trim());
    setText("");
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        sendIt();
      }}
    >
      <label htmlFor="message" className="visually-hidden">
        Message
      </label>
      <textarea
        ref={ref}
        id="message"
        rows={1}
        value={text}
        placeholder="Write a message"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape" && writing) onStop();
          if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
          event.preventDefault();
          sendIt();
        }}
      />
      {writing ? (
        <button type="button" className="composer-button" onClick={onStop} aria-label="Stop" title="Stop (Esc)">
          <Icon name="stop" />
        </button>
      ) : (
        <button type="submit" className="composer-button" disabled={empty} aria-label="Send" title="Send (Enter)">
          <Icon name="send" />
        </button>
      )}
    </form>
  );
}
