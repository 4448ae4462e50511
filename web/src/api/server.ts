import type { Method, Model, RunningRequest, ServerState, Usage } from "./contract.js";
import { getJson, remove } from "./request.js";

/** What the server says of itself: its state, models, methods and the requests it works on. */

export const readServer = (signal?: AbortSignal): Promise<ServerState> => getJson("/v1/server", signal);

export const readUsage = (signal?: AbortSignal): Promise<Usage> => getJson("/v1/usage", signal);

export const listModels = async (signal?: AbortSignal): Promise<readonly Model[]> =>
  (await getJson<{ data: Model[] }>("/v1/models", signal)).data;

export const listMethods = async (signal?: AbortSignal): Promise<readonly Method[]> =>
  (await getJson<{ data: Method[] }>("/v1/methods", signal)).data;

export const listRequests = async (signal?: AbortSignal): Promise<readonly RunningRequest[]> =>
  (await getJson<{ data: RunningRequest[] }>("/v1/requests", signal)).data;

export const cancelRequest = (id: string): Promise<void> => remove(`/v1/requests/${encodeURIComponent(id)}`);
