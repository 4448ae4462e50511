import type { ReactNode } from "react";
import { explain } from "../api/request.js";
import { Icon } from "./Icon.js";

/** Words about something that went wrong or should be known, with what can be done about it. */
export function Notice({
  look = "error",
  children,
  action,
}: {
  look?: "error" | "warning" | "note";
  children: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className={`notice notice-${look}`} role={look === "error" ? "alert" : "status"}>
      {look !== "note" && <Icon name="warning" size={18} />}
      <div className="notice-words">{children}</div>
      {action !== undefined && <div className="notice-action">{action}</div>}
    </div>
  );
}

export function ErrorNotice({ error, action }: { error: unknown; action?: ReactNode }) {
  return <Notice action={action}>{explain(error)}</Notice>;
}
