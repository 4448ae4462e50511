import { QuireError } from "../../errors.js";

/** The token of the largest logit, the lowest of equals: one pass. */
export function greatest(logits: Float32Array): number {
  let best = Number.NEGATIVE_INFINITY;
  let token = -1;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i]!;
    // Not "logit > best": this one comparison also catches NaN.
    if (!(logit <= best)) {
      if (Number.isNaN(logit)) throw notANumber(i);
      best = logit;
      token = i;
    }
  }
  if (token < 0) throw nothingAllowed(logits.length);
  return token;
}

export function notANumber(token: number): QuireError {
  return new QuireError("native", "The model gave a logit that is no number.", {
    got: `NaN for token ${token}`,
    expected: "numbers",
    fix: "Check the model file (quire models check), or try another device.",
  });
}

export function nothingAllowed(count: number): QuireError {
  return new QuireError("bad-option", "No token is left to choose from.", {
    got: `${count} logits, all -Infinity`,
    expected: "at least one token that logit bias and grammar allow",
  });
}
