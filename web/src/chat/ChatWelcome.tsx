import { linkTo } from "../app/route.js";
import { useServer } from "../app/server-state.js";
import { whole } from "../ui/amounts.js";

const openings = [
  "Explain what a KV cache is to someone who writes web servers.",
  "Write a TypeScript function that splits text at sentence ends.",
  "Compare map-reduce and tree search for long documents in a table.",
];

/** A conversation before its first message: who answers, how much it can hold, and three ways to begin. */
export function ChatWelcome({ onPick }: { onPick: (text: string) => void }) {
  const { value: server } = useServer();
  return (
    <div className="chat-welcome">
      <div className="chat-welcome-inner">
        <h2>What would you like to know?</h2>
        <p className="chat-welcome-about">
          {server === undefined ? (
            "\u00a0"
          ) : (
            <>
              <strong>{server.model}</strong> answers, and holds {whole(server.context_tokens)} tokens at once. For
              folders and long documents, <a href={linkTo("ask")}>ask a corpus</a>.
            </>
          )}
        </p>
        <ul className="chat-openings">
          {openings.map((text) => (
            <li key={text}>
              <button type="button" onClick={() => onPick(text)}>
                {text}
              </button>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
