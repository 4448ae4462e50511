/** Ctrl-C once asks the command to stop and keep what it has; a second time it ends the process at once. */
export function onInterrupt(stop: () => void): void {
  let asked = false;
  const handle = (signal: NodeJS.Signals): void => {
    if (asked) process.exit(130);
    asked = true;
    if (signal === "SIGINT" && process.stderr.isTTY) process.stderr.write("\n");
    stop();
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
}

/** A reader that has seen enough (`| head`) is no failure. */
export function onClosedPipe(stop: () => void): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE" && error.code !== "ERR_STREAM_DESTROYED") throw error;
      stop();
      process.exit(0);
    });
  }
}

/** Ends the process when all that was written has been taken; on some systems pipes are written later. */
export function leave(code: number): void {
  const streams = [process.stdout, process.stderr].filter((stream) => stream.writable);
  let waiting = streams.length;
  if (waiting === 0) process.exit(code);
  for (const stream of streams) {
    stream.write("", () => {
      waiting -= 1;
      if (waiting === 0) process.exit(code);
    });
  }
}
