import { Command, InvalidArgumentError } from "commander";
import { arrivalTimes, uniform } from "./arrivals.js";
import { wallClock } from "./clock.js";
import { drive, type TimedRequest } from "./drive.js";
import { latencies, percentile, throughput } from "./latency.js";

/** Load generator for any OpenAI-compatible server: requests at times drawn before the run, and what came of them as JSON.
 *
 *      npx tsx bench/serve/load-command.ts --url http://127.0.0.1:8080 --rate 2 --requests 40 --prompt-words 100 --output 64
 */

interface Flags {
  url: string;
  model?: string;
  key?: string;
  rate: number;
  requests: number;
  promptWords: number;
  output: number;
  longEvery: number;
  longWords: number;
  burstiness: number;
  seed: number;
}

interface HttpRequest extends TimedRequest {
  readonly text: string;
}

const command = new Command("load")
  .description("Sends chat requests by Poisson arrivals to an OpenAI-compatible server and prints latencies as JSON.")
  .requiredOption("--url <address>", "where the server listens")
  .option("--model <name>", "model to ask for; default the server's first")
  .option("--key <key>", "API key")
  .option("--rate <n>", "requests a second on average", number, 1)
  .option("--requests <n>", "how many", number, 20)
  .option("--prompt-words <n>", "words of a prompt", number, 50)
  .option("--output <n>", "tokens of an answer at most", number, 64)
  .option("--long-every <n>", "every so manieth request is long; 0 = none", number, 0)
  .option("--long-words <n>", "words of a long prompt", number, 1500)
  .option("--burstiness <n>", "shape of the gaps: 1 Poisson, below 1 in bursts", number, 1)
  .option("--seed <n>", "seed of times and texts", number, 1)
  .parse();

const flags = command.opts<Flags>();
const headers = {
  "content-type": "application/json",
  ...(flags.key === undefined ? {} : { authorization: `Bearer ${flags.key}` }),
};
const model = flags.model ?? (await firstModel());
const failures: string[] = [];
const records = await drive(requests(flags), stream, wallClock());
const done = records.filter(({ tokensMs }) => tokensMs.length > 0);
process.stdout.write(`${JSON.stringify(summary(), null, 2)}\n`);
if (failures.length > 0) process.exitCode = 1;

function requests({ requests: count, rate, seed, burstiness, longEvery, longWords, promptWords, output }: Flags) {
  const next = uniform(seed + 1);
  const words = (n: number) => Array.from({ length: n }, () => Math.floor(next() * 1e6).toString(36)).join(" ");
  return arrivalTimes({ count, perSecond: rate, seed, burstiness }).map((atMs, i): HttpRequest => {
    const long = longEvery > 0 && i % longEvery === longEvery - 1;
    const text = words(long ? longWords : promptWords);
    return { kind: long ? "long" : "short", atMs, text, prompt: new Int32Array(0), outputTokens: output };
  });
}

async function* stream({ text, outputTokens }: HttpRequest): AsyncGenerator<number> {
  const body = {
    model,
    messages: [{ role: "user", content: text }],
    max_tokens: outputTokens,
    stream: true,
    temperature: 0,
  };
  const answer = await fetch(new URL("/v1/chat/completions", flags.url), {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  if (!answer.ok || answer.body === null) {
    failures.push(`${answer.status} ${(await answer.text()).slice(0, 200)}`);
    return;
  }
  let rest = "";
  for await (const bytes of answer.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + bytes).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!line.startsWith("data: {")) continue;
      const event = JSON.parse(line.slice(6)) as {
        choices?: { delta?: { content?: string } }[];
        error?: { message: string };
      };
      if (event.error !== undefined) failures.push(event.error.message);
      else if ((event.choices?.[0]?.delta?.content ?? "") !== "") yield 0;
    }
  }
}

async function firstModel(): Promise<string> {
  const answer = (await (await fetch(new URL("/v1/models", flags.url), { headers })).json()) as {
    data: { id: string }[];
  };
  return answer.data[0]?.id ?? "";
}

function summary() {
  const of = (kind: string) => {
    const { ttft, tbt } = latencies(done.filter((record) => record.kind === kind));
    const shown = (values: readonly number[]) => ({
      n: values.length,
      p50: percentile(values, 0.5),
      p90: percentile(values, 0.9),
      // Of fewer than a hundred the 99th of a hundred is only a name for the largest.
      ...(values.length >= 100 ? { p99: percentile(values, 0.99) } : {}),
      max: Math.max(...values),
    });
    return { ttftMs: shown(ttft), tbtMs: shown(tbt) };
  };
  const kinds = [...new Set(done.map(({ kind }) => kind))];
  const { seconds, outputPerSecond } = throughput(done);
  return {
    url: flags.url,
    ...{ model, seed: flags.seed, ratePerSecond: flags.rate, requests: records.length, failed: failures.length },
    ...{ seconds, outputEventsPerSecond: outputPerSecond, failures: failures.slice(0, 5) },
    latencies: Object.fromEntries(kinds.map((kind) => [kind, of(kind)])),
  };
}

function number(text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new InvalidArgumentError("It must be a number of at least 0.");
  return value;
}
