import { useLayoutEffect, useRef, useState } from "react";
import { Icon } from "../ui/Icon.js";
import type { Conversation, Turn } from "./conversations.js";
import { ReplyTurn } from "./ReplyTurn.js";
import { UserTurn } from "./UserTurn.js";

interface ThreadProps {
  readonly conversation: Conversation;
  onSendAnyway(overflow: "drop-middle" | "drop-start", turnId: string): void;
}

/** What was said. The newest exchange is at least as tall as the view, so a reply grows into free room and nothing moves; once it
 *  is longer, the view follows its end until the reader scrolls away. */
export function Thread({ conversation, onSendAnyway }: ThreadProps) {
  const view = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const [away, setAway] = useState(false);
  const { id, turns } = conversation;
  const asked = turns.filter(({ role }) => role === "user").length;

  const toEnd = () => {
    const shown = view.current;
    if (shown !== null) shown.scrollTop = shown.scrollHeight;
  };

  // biome-ignore lint/correctness/useExhaustiveDependencies: another conversation or question brings the end into view
  useLayoutEffect(() => {
    following.current = true;
    toEnd();
  }, [id, asked]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: every change of the turns may have moved the end
  useLayoutEffect(() => {
    if (following.current) toEnd();
  }, [turns]);

  const scrolled = () => {
    const shown = view.current;
    if (shown === null) return;
    const rest = shown.scrollHeight - shown.scrollTop - shown.clientHeight;
    following.current = rest < 48;
    setAway(rest > 96);
  };

  const last = turns.at(-1);
  return (
    <div className="thread-frame">
      <div
        className="thread"
        ref={view}
        onScroll={scrolled}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: scrolled with the keys
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label="Messages"
      >
        {exchanges(turns).map((exchange) => (
          <div className="exchange" key={exchange[0]?.id}>
            {exchange.map((turn) =>
              turn.role === "user" ? (
                <UserTurn key={turn.id} conversationId={id} turn={turn} />
              ) : (
                <ReplyTurn
                  key={turn.id}
                  conversationId={id}
                  turn={turn}
                  limit={conversation.parameters.maxTokens}
                  onSendAnyway={onSendAnyway}
                />
              ),
            )}
          </div>
        ))}
      </div>
      {away && (
        <button type="button" className="thread-end" onClick={toEnd}>
          <Icon name="down" size={16} />
          To the end
        </button>
      )}
      <p className="visually-hidden" aria-live="polite">
        {last?.role === "assistant"
          ? last.state === "writing"
            ? "A reply is being written."
            : "The reply ended."
          : ""}
      </p>
    </div>
  );
}

/** A question with the replies that followed it. */
function exchanges(turns: readonly Turn[]): Turn[][] {
  const groups: Turn[][] = [];
  for (const turn of turns) {
    const group = groups.at(-1);
    if (group === undefined || turn.role === "user") groups.push([turn]);
    else group.push(turn);
  }
  return groups;
}
