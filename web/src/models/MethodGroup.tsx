import type { Method } from "../api/contract.js";

/** Methods of one kind: those that can be chosen first, then those that work, then the planned. */
export function MethodGroup({ title, methods }: { title: string; methods: readonly Method[] }) {
  const rank = ({ selectable, state }: Method) => (selectable ? 0 : state === "works" ? 1 : 2);
  const sorted = [...methods].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, "en"));
  return (
    <section>
      <h2 className="section-title">{title}</h2>
      <ul className="methods">
        {sorted.map((method) => (
          <li key={method.name}>
            <code className="method-name">{method.name}</code>
            <span className="method-title">{method.title}</span>
            <span className="method-paper small figure">
              {method.arxiv !== undefined && method.arxiv !== "" && (
                <a href={`https://arxiv.org/abs/${method.arxiv}`} target="_blank" rel="noopener noreferrer">
                  <span className="visually-hidden">Paper of {method.name}: </span>
                  {method.arxiv}
                </a>
              )}
            </span>
            <MethodState method={method} />
            {method.selectable && method.options?.properties !== undefined && <Options method={method} />}
          </li>
        ))}
      </ul>
    </section>
  );
}

function MethodState({ method }: { method: Method }) {
  if (method.selectable) return <span className="tag tag-good">can be chosen</span>;
  if (method.state === "works") return <span className="tag">works</span>;
  return <span className="tag">{method.state}</span>;
}

function Options({ method }: { method: Method }) {
  const options = Object.entries(method.options?.properties ?? {});
  if (options.length === 0) return null;
  return (
    <details className="method-details small">
      <summary>Options</summary>
      <dl>
        {options.map(([name, { description, default: usual }]) => (
          <div key={name}>
            <dt>
              <code>{usual === undefined ? name : `${name}=${String(usual)}`}</code>
            </dt>
            <dd>{description ?? ""}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
