import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { go, useIdOn } from "../app/route.js";
import { useShortcut } from "../app/shortcuts.js";
import { useNarrow } from "../app/use-narrow.js";
import { IconButton } from "../ui/Button.js";
import { Dialog } from "../ui/Dialog.js";
import { Notice } from "../ui/Notice.js";
import { ChatWelcome } from "./ChatWelcome.js";
import { Composer } from "./Composer.js";
import { ConversationList } from "./ConversationList.js";
import { conversations, nextParameters, useConversation, useConversations } from "./conversations.js";
import { ParametersPanel } from "./ParametersPanel.js";
import type { Parameters } from "./parameters.js";
import { regenerate, send, stop } from "./replies.js";
import { Thread } from "./Thread.js";
import "./chat.css";

/** Conversations with a model: the list of them, the one that is open, and its parameters. */
export function ChatPage() {
  const id = useIdOn("chat");
  const list = useConversations();
  const conversation = useConversation(id);
  const [draftParameters, setDraftParameters] = useState<Parameters>(nextParameters);
  const narrow = useNarrow(1080);
  const [open, setOpen] = useState<"list" | "parameters" | undefined>();
  const [settingsShown, setSettingsShown] = useState(true);
  const composer = useRef<HTMLTextAreaElement>(null);

  useEffect(() => {
    if (id !== undefined && conversation === undefined) go("chat");
  }, [id, conversation]);

  const parameters = conversation?.parameters ?? draftParameters;
  const setParameters = useCallback(
    (next: Parameters) => {
      if (id === undefined) setDraftParameters(next);
      else conversations.update(id, () => ({ parameters: next }));
    },
    [id],
  );

  const ask = (text: string) => {
    if (conversation !== undefined) return send(conversation.id, text);
    const begun = conversations.begin(draftParameters);
    send(begun.id, text);
    go("chat", begun.id);
  };

  const begin = () => {
    setOpen(undefined);
    setDraftParameters(nextParameters());
    go("chat");
    composer.current?.focus();
  };

  const writing = conversation?.turns.at(-1)?.state === "writing";
  useShortcut("n", "Chat", "New conversation", begin);
  useShortcut("/", "Chat", "Write a message", () => composer.current?.focus());
  useShortcut("r", "Chat", "Write the last reply anew", () => {
    const last = conversation?.turns.at(-1);
    if (conversation !== undefined && last?.role === "assistant") regenerate(conversation.id, last.id);
  });

  const sendAnyway = useMemo(
    () => (overflow: "drop-middle" | "drop-start", turnId: string) => {
      if (conversation === undefined) return;
      conversations.update(conversation.id, (one) => ({ parameters: { ...one.parameters, overflow } }));
      regenerate(conversation.id, turnId);
    },
    [conversation],
  );

  const listed = <ConversationList list={list} current={id} onNew={begin} onOpen={() => setOpen(undefined)} />;
  const panel = <ParametersPanel parameters={parameters} onChange={setParameters} />;

  return (
    <div className="chat" data-settings={!narrow && settingsShown}>
      {!narrow && <aside className="chat-list">{listed}</aside>}
      <section className="chat-main" aria-label="Conversation">
        <header className="chat-head">
          {narrow && <IconButton icon="history" label="Conversations" onClick={() => setOpen("list")} />}
          <h1 data-page-title className="chat-title">
            {conversation?.title ?? "New conversation"}
          </h1>
          {narrow && <IconButton icon="plus" label="New conversation" onClick={begin} />}
          <IconButton
            icon="sliders"
            label="Parameters"
            aria-expanded={narrow ? open === "parameters" : settingsShown}
            onClick={() => (narrow ? setOpen("parameters") : setSettingsShown((shown) => !shown))}
          />
        </header>
        {conversation === undefined || conversation.turns.length === 0 ? (
          <ChatWelcome onPick={ask} />
        ) : (
          <Thread conversation={conversation} onSendAnyway={sendAnyway} />
        )}
        <div className="chat-foot">
          {!conversations.areSaved() && (
            <Notice look="warning">This browser keeps nothing more: new messages are gone when the page closes.</Notice>
          )}
          <Composer
            ref={composer}
            writing={writing}
            onSend={ask}
            onStop={() => conversation !== undefined && stop(conversation.id)}
          />
        </div>
      </section>
      {!narrow && settingsShown && <aside className="chat-settings">{panel}</aside>}
      {narrow && open === "list" && (
        <Dialog title="Conversations" look="side" onClose={() => setOpen(undefined)}>
          {listed}
        </Dialog>
      )}
      {narrow && open === "parameters" && (
        <Dialog title="Parameters" look="side" onClose={() => setOpen(undefined)}>
          {panel}
        </Dialog>
      )}
    </div>
  );
}
