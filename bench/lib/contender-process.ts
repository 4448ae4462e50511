import type { Answer, Call, Contender } from "./contender.js";

/** The other end of `startContender`: loads the contender's file and does what the parent asks, one call at a time. */

const { contender } = (await import(process.argv[2] as string)) as { contender: Contender<unknown, unknown, unknown> };

process.on("message", ({ call, argument }: Call) => {
  const work =
    call === "load" ? contender.load(argument) : call === "run" ? contender.run(argument) : contender.close();
  work.then(
    (value) => send({ value }),
    (error: Error) => send({ error: error.stack ?? String(error) }),
  );
});
process.on("disconnect", () => process.exit());

function send(answer: Answer): void {
  process.send?.(answer);
}
