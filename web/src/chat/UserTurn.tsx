import { memo, useState } from "react";
import { Button, IconButton } from "../ui/Button.js";
import { CopyButton } from "../ui/CopyButton.js";
import type { Turn } from "./conversations.js";
import { editAndSend } from "./replies.js";

/** What a person wrote, which can be changed and sent again. */
export const UserTurn = memo(function UserTurn({ conversationId, turn }: { conversationId: string; turn: Turn }) {
  const [text, setText] = useState<string | undefined>();
  const sendIt = () => {
    if (text === undefined || text.trim() === "") return;
    setText(undefined);
    editAndSend(conversationId, turn.id, text.trim());
  };
  if (text !== undefined) {
    return (
      <article className="turn turn-user" aria-label="You">
        <form
          className="turn-edit"
          onSubmit={(event) => {
            event.preventDefault();
            sendIt();
          }}
        >
          <textarea
            className="textarea"
            aria-label="Change the message"
            // biome-ignore lint/a11y/noAutofocus: the person just asked to write here
            autoFocus
            rows={3}
            value={text}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Escape") setText(undefined);
              if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
                event.preventDefault();
                sendIt();
              }
            }}
          />
          <p className="field-hint">Everything after this message is written anew.</p>
          <div className="turn-edit-actions">
            <Button look="quiet" onClick={() => setText(undefined)}>
              Cancel
            </Button>
            <Button look="primary" type="submit" disabled={text.trim() === ""}>
              Send
            </Button>
          </div>
        </form>
      </article>
    );
  }
  return (
    <article className="turn turn-user" aria-label="You">
      <p className="turn-user-text">{turn.content}</p>
      <div className="turn-actions">
        <IconButton icon="edit" size={18} label="Edit and send again" onClick={() => setText(turn.content)} />
        <CopyButton text={() => turn.content} label="Copy message" />
      </div>
    </article>
  );
});
