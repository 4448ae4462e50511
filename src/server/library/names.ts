import { randomBytes } from "node:crypto";
import { badRequest } from "../http/api-error.js";

/** Names that people give are shown and looked up, never used as paths: on disk a file has a random name, of which only a plain ending
 *  comes from the person, since it tells what the file is. */

const longest = 255;

/** A name as it is kept; folders in it are part of the name. */
export function shownName(given: string, param = "file"): string {
  const name = given
    .normalize("NFC")
    .replaceAll("\\", "/")
    .replace(/\p{Cc}/gu, "")
    .replace(/^\/+|\/+$/g, "")
    .trim();
  const odd = name.split("/").some((part) => part === "" || part === "." || part === "..");
  if (name === "" || odd || name.length > longest) {
    throw badRequest(`${param}: "${given.slice(0, 100)}" cannot name a file (1 to ${longest} characters).`, param);
  }
  return name;
}

export function diskName(shown: string): string {
  const [ending = ""] = /\.[a-z0-9]{1,10}$/i.exec(shown) ?? [];
  return `${randomBytes(12).toString("hex")}${ending.toLowerCase()}`;
}

export function newId(prefix: string): string {
  return `${prefix}-${randomBytes(12).toString("hex")}`;
}
