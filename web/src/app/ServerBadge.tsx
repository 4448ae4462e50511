import { linkTo } from "./route.js";
import { useServer } from "./server-state.js";

/** Whether the server and its engine are well. The words say it too, not the colour alone. */
export function ServerBadge() {
  const { value, error } = useServer();
  const state = error !== undefined ? "down" : (value?.engine.state ?? "starting");
  const words = error !== undefined ? "No answer" : value === undefined ? "Asking" : stateWords[value.engine.state];
  return (
    <a className="server-state" href={linkTo("models")} title={value?.model}>
      <span className={`state-dot state-${state}`} aria-hidden="true" />
      <span>
        <span className="visually-hidden">Engine: </span>
        {words}
      </span>
    </a>
  );
}

const stateWords = { ready: "Ready", starting: "Starting", down: "Down" };
