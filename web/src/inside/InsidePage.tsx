import { go, useIdOn } from "../app/route.js";
import { PageHead } from "../ui/PageHead.js";
import { CacheView } from "./CacheView.js";
import { DecoderView } from "./DecoderView.js";
import "./inside.css";

const views = { decoder: "Decoder", cache: "Cache" } as const;

/** What goes on inside while the model writes. */
export function InsidePage() {
  const id = useIdOn("inside");
  const view = id === "cache" ? "cache" : "decoder";
  return (
    <div className="page-scroll">
      <div className="page-inner page-wide">
        <PageHead
          title="Inside"
          about="How tokens come out, and what the model still has in mind: any decoder at work, any two cache policies side by side."
        />
        <div className="inside-tabs" role="tablist" aria-label="Views">
          {(Object.keys(views) as (keyof typeof views)[]).map((name) => (
            <button
              key={name}
              type="button"
              role="tab"
              className="inside-tab"
              aria-selected={name === view}
              onClick={() => go("inside", name)}
            >
              {views[name]}
            </button>
          ))}
        </div>
        {view === "decoder" ? <DecoderView /> : <CacheView />}
      </div>
    </div>
  );
}
