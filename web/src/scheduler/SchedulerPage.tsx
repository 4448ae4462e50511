import { useMemo, useState } from "react";
import { cancelRequest, listRequests } from "../api/server.js";
import { useLoaded } from "../api/use-loaded.js";
import { useServer } from "../app/server-state.js";
import { useShortcut } from "../app/shortcuts.js";
import { bytes, duration, whole } from "../ui/amounts.js";
import { Button } from "../ui/Button.js";
import { ErrorNotice, Notice } from "../ui/Notice.js";
import { PageHead } from "../ui/PageHead.js";
import { colourOf, PassChart, passWords } from "./PassChart.js";
import { quantile, rowsOf, shownUser } from "./pass-window.js";
import { RequestList } from "./RequestList.js";
import { SmallChart } from "./SmallChart.js";
import { UsagePanel } from "./UsagePanel.js";
import { usePasses } from "./use-passes.js";
import "./scheduler.css";

/** What the engine does at this moment: what each forward pass carried and for whom, the memory, the requests. */
export function SchedulerPage() {
  const [paused, setPaused] = useState(false);
  const [chosen, setChosen] = useState<number | undefined>();
  const { passes, users, feed } = usePasses(paused || chosen !== undefined);
  const requests = useLoaded(listRequests, "requests", paused ? undefined : 1000);
  const [problem, setProblem] = useState<unknown>();
  const { value: server } = useServer();

  useShortcut("p", "Scheduler", "Hold the picture, or go on", () => setPaused((old) => !old));

  const last = passes.at(-1);
  const times = useMemo(() => passes.map(({ ms }) => ms), [passes]);
  const usual = quantile(times, 0.5);
  const slow = quantile(times, 0.99);
  const shown = chosen === undefined ? last : passes.find(({ at }) => at === chosen);

  const cancel = (id: string) => {
    setProblem(undefined);
    cancelRequest(id)
      .catch(setProblem)
      // Also after a failure: the request may have ended by itself in between.
      .finally(requests.reload);
  };

  return (
    <div className="page-scroll">
      <div className="page-inner">
        <PageHead
          title="Scheduler"
          about={
            <>
              What each forward pass carries: the next tokens of running replies, and slices of prompts.
              {server !== undefined && (
                <>
                  {" "}
                  Schedule <code>{server.schedule}</code>.
                </>
              )}
            </>
          }
        >
          <Button icon={paused ? "play" : "pause"} aria-pressed={paused} onClick={() => setPaused((old) => !old)}>
            {paused ? "Go on" : "Hold"}
          </Button>
        </PageHead>
        {feed.name === "lost" && <Notice look="warning">{feed.why} Trying again.</Notice>}
        <dl className="gauges">
          <Gauge name="Running" value={last === undefined ? "–" : whole(last.running)} />
          <Gauge name="Waiting" value={last === undefined ? "–" : whole(last.waiting)} />
          <Gauge name="Rows in the last pass" value={last === undefined ? "–" : whole(rowsOf(last))} />
          <Gauge
            name="Time of a pass"
            value={usual === undefined ? "–" : milliseconds(usual)}
            about={slow === undefined ? undefined : `99% within ${milliseconds(slow)}`}
          />
          <Gauge
            name="Cache memory"
            value={last === undefined ? "–" : bytes(last.cache_bytes)}
            about={last === undefined ? undefined : `of ${bytes(last.cache_limit_bytes)}`}
            share={last === undefined ? undefined : last.cache_bytes / Math.max(1, last.cache_limit_bytes)}
          />
        </dl>
        <section className="passes" aria-label="Passes">
          <div className="passes-head">
            <h2>Rows a pass</h2>
            <ul className="legend">
              <li>
                <span className="swatch" style={{ background: "var(--decode)" }} />
                Replies, below
              </li>
              {users.slice(-8).map((user) => (
                <li key={user}>
                  <span className="swatch" style={{ background: colourOf(user, users) }} />
                  {shownUser(user)}
                </li>
              ))}
            </ul>
          </div>
          <div className="passes-frame">
            <PassChart passes={passes} users={users} chosen={chosen} onChoose={setChosen} />
            {passes.length === 0 && (
              <p className="passes-none">
                {feed.name === "connecting"
                  ? "Connecting"
                  : "The engine is at rest. Passes appear as soon as someone asks."}
              </p>
            )}
          </div>
          <p className="small figure pass-words" aria-live={chosen === undefined ? "off" : "polite"}>
            {shown === undefined ? "\u00a0" : passWords(shown, users)}
          </p>
        </section>
        <div className="small-charts">
          <SmallChart
            label="Milliseconds a pass"
            now={last === undefined ? "–" : last.ms.toFixed(1)}
            values={times}
            most={Math.max(1, ...times)}
          />
          <SmallChart
            label="Waiting requests"
            now={last === undefined ? "–" : whole(last.waiting)}
            values={passes.map(({ waiting }) => waiting)}
            most={Math.max(4, ...passes.map(({ waiting }) => waiting))}
          />
          <SmallChart
            label="Cache bytes, up to the limit"
            now={last === undefined ? "–" : bytes(last.cache_bytes)}
            values={passes.map(({ cache_bytes }) => cache_bytes)}
            most={last?.cache_limit_bytes ?? 1}
          />
        </div>
        <h2 className="section-title">Requests</h2>
        {problem !== undefined && <ErrorNotice error={problem} />}
        {requests.error !== undefined && <ErrorNotice error={requests.error} />}
        {requests.value !== undefined && (
          <RequestList
            requests={requests.value}
            users={users}
            colour={(user) => colourOf(user, users)}
            onCancel={cancel}
          />
        )}
        {server?.usage_counted === true && <UsagePanel />}
      </div>
    </div>
  );
}

const milliseconds = (ms: number): string => (ms < 1000 ? `${ms.toFixed(1)} ms` : duration(ms / 1000));

function Gauge({ name, value, about, share }: { name: string; value: string; about?: string; share?: number }) {
  return (
    <div className="gauge">
      <dt>{name}</dt>
      <dd>
        <span className="gauge-value figure">{value}</span>
        {about !== undefined && <span className="small faint figure">{about}</span>}
        {share !== undefined && (
          <span className="meter">
            <span style={{ width: `${Math.min(100, share * 100)}%` }} />
          </span>
        )}
      </dd>
    </div>
  );
}
