import { QuireError } from "../../errors.js";

/** The engine is not there just now, or went while a request was in it. The request may be sent again as it is. */
export class EngineGone extends QuireError {
  constructor(message: string, reason?: string) {
    super("native", message, { got: reason, fix: "The engine is started again by itself: send the request again." });
  }
}
