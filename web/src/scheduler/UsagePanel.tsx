import type { UsageFigure } from "../api/contract.js";
import { readUsage } from "../api/server.js";
import { useLoaded } from "../api/use-loaded.js";
import { whole } from "../ui/amounts.js";
import { ErrorNotice } from "../ui/Notice.js";
import "./usage.css";

/** Use of the server as its operator may see it: counts with noise, and how far they may be off. */
export function UsagePanel() {
  const { value: usage, error } = useLoaded(readUsage, "usage", 60_000);
  if (error !== undefined) return <ErrorNotice error={error} />;
  if (usage === undefined) return null;
  return (
    <section className="usage">
      <h2 className="section-title">Use</h2>
      <p className="small">
        {usage.promise} Counted since {day(usage.window.start)}.
      </p>
      <div className="usage-lists">
        <UsageList title="Requests" figures={usage.requests} />
        <UsageList title="Tokens" figures={usage.tokens} />
        <UsageList title="Documents that answers rest on" figures={usage.documents} />
      </div>
    </section>
  );
}

function UsageList({ title, figures }: { title: string; figures: readonly UsageFigure[] }) {
  return (
    <table className="usage-list">
      <caption>{title}</caption>
      <tbody>
        {figures.slice(0, 10).map(({ name, value, error_95 }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td className="figure">
              {whole(Math.round(value))} <span className="faint small">± {whole(Math.round(error_95))}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const day = (time: string): string => new Date(time).toLocaleDateString(undefined, { dateStyle: "medium" });
