import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Redis } from "ioredis";
import { onTestFinished } from "vitest";

/** A Redis of the test's own, on a free port, that keeps what it is told across a restart. */

export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;
export const withoutRedis =
  "redis-server is not installed: the tests of the queue are skipped (Debian: apt-get install redis-server)";

export interface TestRedis {
  readonly address: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function testRedis(): Promise<TestRedis> {
  const folder = await mkdtemp(path.join(tmpdir(), "quire-redis-"));
  const port = await freePort();
  const address = `redis://127.0.0.1:${port}`;
  let server: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const options = `--port ${port} --bind 127.0.0.1 --save --appendonly yes --appendfsync always --dir ${folder}`;
    server = spawn(
      "redis-server",
      options.split(" ").flatMap((word) => (word === "--save" ? [word, ""] : [word])),
      {
        stdio: "ignore",
      },
    );
    const probe = new Redis(address, { retryStrategy: () => 50, maxRetriesPerRequest: null });
    probe.on("error", () => {});
    await probe.ping();
    probe.disconnect();
  };
  const stop = async (): Promise<void> => {
    const running = server;
    if (running === undefined || running.exitCode !== null) return;
    const ended = new Promise((resolve) => running.once("exit", resolve));
    running.kill("SIGTERM");
    await ended;
  };
  await start();
  onTestFinished(async () => {
    await stop();
    await rm(folder, { recursive: true, force: true });
  });
  return { address, start, stop };
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
