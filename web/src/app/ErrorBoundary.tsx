import { Component, type ReactNode } from "react";
import { explain } from "../api/request.js";
import { Button } from "../ui/Button.js";
import { Empty } from "../ui/Empty.js";

/** What is shown when drawing a page fails: the reason, and a way on. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state = { error: undefined as unknown };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error === undefined) return this.props.children;
    return (
      <div className="page-inner">
        <Empty
          title="This page could not be drawn"
          action={<Button onClick={() => this.setState({ error: undefined })}>Draw it again</Button>}
        >
          <p>{explain(this.state.error)}</p>
        </Empty>
      </div>
    );
  }
}
