import { ApiError } from "../http/api-error.js";

export function readOnly(name: string): ApiError {
  return new ApiError(403, `The corpus ${name} is a folder of the server and cannot be changed here.`, {
    code: "read_only",
  });
}
