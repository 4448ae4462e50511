import { useState } from "react";
import { go, linkTo } from "../app/route.js";
import { Button, IconButton } from "../ui/Button.js";
import { Icon } from "../ui/Icon.js";
import { type Conversation, conversations } from "./conversations.js";
import { stop } from "./replies.js";

interface ConversationListProps {
  readonly list: readonly Conversation[];
  readonly current: string | undefined;
  onNew(): void;
  onOpen(): void;
}

/** Conversations kept in this browser, newest first. */
export function ConversationList({ list, current, onNew, onOpen }: ConversationListProps) {
  const [filter, setFilter] = useState("");
  const wanted = filter.trim().toLowerCase();
  const shown =
    wanted === ""
      ? list
      : list.filter(
          ({ title, turns }) =>
            title.toLowerCase().includes(wanted) || turns.some(({ content }) => content.toLowerCase().includes(wanted)),
        );
  const forget = (id: string) => {
    stop(id);
    conversations.remove(id);
    if (id === current) go("chat");
  };
  return (
    <nav className="conversations" aria-label="Conversations">
      <Button icon="plus" onClick={onNew}>
        New conversation
      </Button>
      {list.length > 6 && (
        <input
          className="input"
          type="search"
          placeholder="Find in conversations"
          aria-label="Find in conversations"
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
        />
      )}
      {shown.length === 0 ? (
        <p className="conversations-none">
          {list.length === 0 ? "Conversations stay in this browser and appear here." : "Nothing found."}
        </p>
      ) : (
        <ul>
          {shown.map(({ id, title, turns }) => (
            <li key={id} data-current={id === current}>
              <a href={linkTo("chat", id)} aria-current={id === current ? "true" : undefined} onClick={onOpen}>
                <span>{title}</span>
                {turns.at(-1)?.state === "writing" && id !== current && <Icon name="edit" size={16} />}
              </a>
              <IconButton icon="trash" size={16} label={`Delete “${title}”`} onClick={() => forget(id)} />
            </li>
          ))}
        </ul>
      )}
    </nav>
  );
}
