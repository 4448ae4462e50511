import type { Corpus, CorpusAnswer, CorpusFile, Evidence, MapNode, SearchHit, SourceLines } from "./contract.js";
import { readEvents } from "./event-stream.js";
import { ApiError, authorisation, errorFrom, getJson, keyWanted, postJson, remove, request } from "./request.js";

/** Everything the page asks of a corpus. */

const at = (corpus: string, rest = "") => `/v1/corpora/${encodeURIComponent(corpus)}${rest}`;

export const listCorpora = async (signal?: AbortSignal): Promise<readonly Corpus[]> =>
  (await getJson<{ data: Corpus[] }>("/v1/corpora", signal)).data;

export const getCorpus = (id: string, signal?: AbortSignal): Promise<Corpus> => getJson(at(id), signal);

export const createCorpus = (name: string): Promise<Corpus> => postJson("/v1/corpora", { name });

export const deleteCorpus = (id: string): Promise<void> => remove(at(id));

export const listFiles = async (id: string, signal?: AbortSignal): Promise<readonly CorpusFile[]> =>
  (await getJson<{ data: CorpusFile[] }>(at(id, "/files"), signal)).data;

export const deleteFile = (id: string, name: string): Promise<void> =>
  remove(at(id, `/files/${encodeURIComponent(name)}`));

export const searchCorpus = async (
  id: string,
  query: string,
  limit: number,
  signal?: AbortSignal,
): Promise<readonly SearchHit[]> =>
  (await postJson<{ data: SearchHit[] }>(at(id, "/search"), { query, limit }, signal)).data;

export function readSource(id: string, file: string, start: number, end: number, signal?: AbortSignal) {
  const query = new URLSearchParams({ file, start: String(start), end: String(end) });
  return getJson<SourceLines>(at(id, `/source?${query}`), signal);
}

export const readMap = (id: string, signal?: AbortSignal): Promise<MapNode> => getJson(at(id, "/map"), signal);

export const eventsPath = (id: string): string => at(id, "/events");

export interface Question {
  readonly question: string;
  readonly selector?: string;
  readonly max_tokens?: number;
  readonly scope?: string;
}

export type AskEvent =
  | { readonly type: "progress"; readonly phase: string; readonly done?: number; readonly total?: number }
  | { readonly type: "evidence"; readonly evidence: readonly Evidence[] }
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "done"; readonly answer: CorpusAnswer };

export async function* askCorpus(id: string, question: Question, signal: AbortSignal): AsyncGenerator<AskEvent> {
  const response = await request(at(id, "/ask"), {
    method: "POST",
    accept: "text/event-stream",
    body: { ...question, stream: true },
    signal,
  });
  if (response.body === null) return;
  for await (const { event, data } of readEvents(response.body)) {
    if (data === "[DONE]") return;
    const read = askEventOf(event, data);
    if (read !== undefined) yield read;
  }
}

function askEventOf(event: string, data: string): AskEvent | undefined {
  const body = JSON.parse(data) as Record<string, unknown>;
  if (event === "error" || body["error"] !== undefined) throw errorFrom(data, 200);
  if (event === "progress") {
    return {
      type: "progress",
      phase: String(body["phase"]),
      done: asCount(body["done"]),
      total: asCount(body["total"]),
    };
  }
  if (event === "evidence") return { type: "evidence", evidence: body["evidence"] as Evidence[] };
  if (event === "text") return { type: "text", text: String(body["text"]) };
  if (event === "done") return { type: "done", answer: body as unknown as CorpusAnswer };
  return undefined;
}

const asCount = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);

/** One file, with the share of it that has been sent. fetch cannot tell that, XMLHttpRequest can. */
export function uploadFile(id: string, file: File, name: string, sent: (share: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const transfer = new XMLHttpRequest();
    transfer.open("POST", at(id, "/files"));
    for (const [header, value] of Object.entries(authorisation())) transfer.setRequestHeader(header, value);
    transfer.upload.onprogress = ({ loaded, total }) => sent(total > 0 ? loaded / total : 0);
    transfer.onload = () => {
      if (transfer.status >= 200 && transfer.status < 300) return resolve();
      if (transfer.status === 401) keyWanted.dispatchEvent(new Event("wanted"));
      reject(errorFrom(transfer.responseText, transfer.status));
    };
    transfer.onerror = () => reject(new ApiError("The connection broke while sending.", 0, "unreachable"));
    const form = new FormData();
    form.append("file", file, name);
    transfer.send(form);
  });
}
