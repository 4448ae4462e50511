import type { RunningRequest } from "../api/contract.js";
import { asMilliseconds, bytes, duration, whole } from "../ui/amounts.js";
import { Button } from "../ui/Button.js";

interface RequestListProps {
  readonly requests: readonly RunningRequest[];
  readonly users: readonly string[];
  readonly colour: (user: string) => string;
  onCancel(id: string): void;
}

/** What the engine works on, with each request's cache, and the way to end it. */
export function RequestList({ requests, users, colour, onCancel }: RequestListProps) {
  if (requests.length === 0) return <p className="ask-hint">No request is running or waiting.</p>;
  return (
    <table className="requests">
      <thead>
        <tr>
          <th scope="col">User</th>
          <th scope="col">State</th>
          <th scope="col" className="number">
            Prompt
          </th>
          <th scope="col" className="number">
            Written
          </th>
          <th scope="col">Cache</th>
          <th scope="col" className="number">
            Since
          </th>
          <th scope="col">
            <span className="visually-hidden">End it</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {requests.map((request) => (
          <tr key={request.id}>
            <th scope="row">
              <span
                className="swatch"
                style={{ background: users.includes(request.user) ? colour(request.user) : "var(--decode)" }}
              />
              {request.user}
              <span className="request-id">{request.id}</span>
            </th>
            <td>
              <span className="tag">{request.state.replaceAll("_", " ")}</span>
            </td>
            <td className="number figure" data-label="Prompt">
              {whole(request.prompt_tokens)}
              {request.cached_tokens > 0 && <span className="faint small"> {whole(request.cached_tokens)} shared</span>}
            </td>
            <td className="number figure" data-label="Written">
              {whole(request.completion_tokens)}
            </td>
            <td className="figure" data-label="Cache">
              {request.cache.policy}
              <span className="faint small request-cache">
                {whole(request.cache.entries)} entries, {bytes(request.cache.bytes)}
              </span>
            </td>
            <td className="number figure" data-label="Since">
              {duration(Math.max(0, (Date.now() - asMilliseconds(request.started_at)) / 1000))}
            </td>
            <td className="request-end">
              <Button
                look="quiet"
                onClick={() => onCancel(request.id)}
                aria-label={`Cancel the request of ${request.user}`}
              >
                Cancel
              </Button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
