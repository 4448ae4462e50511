import type { ReactNode } from "react";

/** A page's title and what can be done on it. */
export function PageHead({ title, about, children }: { title: string; about?: ReactNode; children?: ReactNode }) {
  return (
    <header className="page-head">
      <div className="page-head-words">
        <h1 data-page-title>{title}</h1>
        {about !== undefined && <p className="page-head-about">{about}</p>}
      </div>
      {children !== undefined && <div className="page-head-actions">{children}</div>}
    </header>
  );
}
