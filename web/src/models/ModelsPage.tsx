import { listMethods, listModels } from "../api/server.js";
import { useLoaded } from "../api/use-loaded.js";
import { useServer } from "../app/server-state.js";
import { bytes, counted, duration, whole } from "../ui/amounts.js";
import { Button } from "../ui/Button.js";
import { ErrorNotice } from "../ui/Notice.js";
import { PageHead } from "../ui/PageHead.js";
import { MethodGroup } from "./MethodGroup.js";
import "./models.css";

const kindNames: Record<string, string> = {
  cache: "Cache policies",
  decoder: "Decoders",
  selector: "Selectors",
  chunker: "Chunkers",
  engine: "Engine and memory",
  architecture: "Architectures",
  program: "Programs",
  structure: "Structure",
  trainer: "Trainers",
};

/** The server, its models, and the methods it knows: which of them work and can be chosen. */
export function ModelsPage() {
  const { value: server, error: serverError } = useServer();
  const models = useLoaded(listModels, "models");
  const methods = useLoaded(listMethods, "methods");
  const kinds = Object.keys(kindNames);
  const known = methods.value ?? [];
  const others = [...new Set(known.map(({ kind }) => kind))].filter((kind) => !kinds.includes(kind));
  return (
    <div className="page-scroll">
      <div className="page-inner">
        <PageHead title="Models and methods" />
        {serverError !== undefined && <ErrorNotice error={serverError} />}
        <h2 className="section-title models-first">Server</h2>
        <dl className="facts">
          <Fact name="Engine" value={server === undefined ? undefined : engineWords(server.engine)} />
          <Fact name="Model" value={server?.model} />
          <Fact name="Window" value={server === undefined ? undefined : `${whole(server.context_tokens)} tokens`} />
          <Fact
            name="Device"
            value={server === undefined ? undefined : `${server.device}, ${counted(server.threads, "thread")}`}
          />
          <Fact name="Schedule" value={server?.schedule} />
          <Fact name="Up for" value={server === undefined ? undefined : duration(server.uptime_seconds)} />
          <Fact name="Version" value={server?.version} />
        </dl>
        <h2 className="section-title">Models</h2>
        {models.error !== undefined && (
          <ErrorNotice error={models.error} action={<Button onClick={models.reload}>Try again</Button>} />
        )}
        <ul className="models">
          {models.value?.map((model) => (
            <li key={model.id}>
              <strong>{model.id}</strong>
              <span className="faint small figure">{modelWords(model)}</span>
            </li>
          ))}
        </ul>
        {methods.error !== undefined && (
          <ErrorNotice error={methods.error} action={<Button onClick={methods.reload}>Try again</Button>} />
        )}
        {[...kinds, ...others].map((kind) => {
          const rows = known.filter((method) => method.kind === kind);
          return rows.length === 0 ? null : <MethodGroup key={kind} title={kindNames[kind] ?? kind} methods={rows} />;
        })}
      </div>
    </div>
  );
}

function Fact({ name, value }: { name: string; value: string | undefined }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className="figure">{value ?? "\u00a0"}</dd>
    </div>
  );
}

function engineWords({ state, restarts }: { state: string; restarts: number }): string {
  const again = restarts === 0 ? "" : `, started again ${restarts === 1 ? "once" : `${restarts} times`}`;
  return `${state}${again}`;
}

/** Whatever else the server says of a model, as far as it is short. */
function modelWords(model: Readonly<Record<string, unknown>>): string {
  return Object.entries(model)
    .filter(([key]) => !["id", "object", "created", "owned_by"].includes(key))
    .flatMap(([key, value]) => {
      if (typeof value === "number")
        return [`${key.replaceAll("_", " ")} ${key.includes("bytes") ? bytes(value) : whole(value)}`];
      return typeof value === "string" && value.length < 60 ? [`${key.replaceAll("_", " ")} ${value}`] : [];
    })
    .join(" · ");
}
