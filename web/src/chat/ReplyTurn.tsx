import { memo } from "react";
import { counted } from "../ui/amounts.js";
import { Button, IconButton } from "../ui/Button.js";
import { CopyButton } from "../ui/CopyButton.js";
import { Markdown } from "../ui/Markdown.js";
import { Notice } from "../ui/Notice.js";
import type { Turn } from "./conversations.js";
import { ReplyFigures } from "./ReplyFigures.js";
import { regenerate } from "./replies.js";

interface ReplyTurnProps {
  readonly conversationId: string;
  readonly turn: Turn;
  readonly limit: number | undefined;
  onSendAnyway(overflow: "drop-middle" | "drop-start", turnId: string): void;
}

/** A reply: its text as it comes, how it ended, and what it took. While it grows nothing stands below it that would be pushed. */
export const ReplyTurn = memo(function ReplyTurn({ conversationId, turn, limit, onSendAnyway }: ReplyTurnProps) {
  const { content, state, finish, problem } = turn;
  const dropped = droppedTokens(turn.stats?.details);
  const again = () => regenerate(conversationId, turn.id);
  return (
    <article className="turn turn-reply" aria-label="Reply" aria-busy={state === "writing"}>
      <p className="turn-head">
        {turn.stats?.model ?? "\u00a0"}
        {state === "writing" && (
          <span className="turn-writing">
            <span className="turn-pulse" aria-hidden="true" />
            {content === "" ? "reading the prompt" : "writing"}
          </span>
        )}
      </p>
      {content !== "" && <Markdown text={content} />}
      {state === "failed" && (
        <Notice
          action={
            problem?.code === "context_length_exceeded" ? (
              <>
                <Button onClick={() => onSendAnyway("drop-middle", turn.id)}>Send without the middle</Button>
                <Button onClick={() => onSendAnyway("drop-start", turn.id)}>Send without the start</Button>
              </>
            ) : (
              <Button onClick={again}>Try again</Button>
            )
          }
        >
          {problem?.message ?? "The reply broke off."}
          {content !== "" && " What came before stays above."}
        </Notice>
      )}
      {state !== "writing" && (
        <div className="turn-actions">
          <IconButton icon="redo" size={18} label="Write anew" onClick={again} />
          {content !== "" && <CopyButton text={() => content} label="Copy reply" />}
          {state === "stopped" && <span className="tag">Stopped</span>}
          {dropped > 0 && <span className="tag tag-warning figure">{counted(dropped, "token")} not read</span>}
          {finish === "length" && (
            <span className="tag tag-warning">
              {limit === undefined ? "Ended at the token limit" : `Ended at the limit of ${limit} tokens`}
            </span>
          )}
          {turn.stats !== undefined && state === "done" && <ReplyFigures stats={turn.stats} />}
        </div>
      )}
    </article>
  );
});

/** How much of an input that was too long the model has not seen. */
function droppedTokens(details: Readonly<Record<string, unknown>> | undefined): number {
  const { dropped_tokens: dropped } = (details?.["stats"] ?? {}) as { dropped_tokens?: unknown };
  return typeof dropped === "number" ? dropped : 0;
}
