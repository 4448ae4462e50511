import type { ChildProcess } from "node:child_process";
import { forkModule } from "../fork-module.js";
import type { FromEngine, ToEngine } from "./protocol.js";

/** Starts an engine process and carries messages. */

export interface EngineLink {
  readonly pid: number | undefined;
  send(message: ToEngine): void;
  /** At once, without asking. */
  kill(): void;
}

export interface LinkEvents {
  onMessage(message: FromEngine): void;
  /** Once; `reason` says how it ended, with its last words. */
  onExit(reason: string): void;
}

export type Launch = (events: LinkEvents) => EngineLink;

const lastWords = 2000;

export const launchEngineProcess: Launch = (events) => {
  return linkTo(forkModule(import.meta.url, "worker"), events);
};

function linkTo(child: ChildProcess, { onMessage, onExit }: LinkEvents): EngineLink {
  let said = "";
  let ended = false;
  const end = (reason: string): void => {
    if (ended) return;
    ended = true;
    onExit(said.trim() === "" ? reason : `${reason}: ${said.trim()}`);
  };
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-lastWords);
  });
  child.on("message", (message) => onMessage(message as FromEngine));
  child.on("error", (error) => end(`It could not be started (${error.message})`));
  // "exit" can come before the last messages have been read; "close" comes after.
  child.on("close", (code, signal) =>
    end(signal === null ? `It ended with code ${code}` : `It was ended by ${signal}`),
  );
  return {
    pid: child.pid,
    send: (message) => {
      // A channel that breaks here is told of by "close".
      if (child.connected) child.send(message, () => {});
    },
    kill: () => child.kill("SIGKILL"),
  };
}
