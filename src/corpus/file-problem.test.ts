import { expect, test } from "vitest";
import { diskError, fileProblem, isDiskError } from "./file-problem.js";

test("system errors in words, by code or by what a native library wrote", () => {
  expect(fileProblem(Object.assign(new Error("x"), { code: "EACCES" }))).toBe("no permission");
  const native = Object.assign(new Error("lance error: IO: No space left on device (os error 28)"), {
    code: "GenericFailure",
  });
  expect(fileProblem(native)).toBe("the disk is full");
  expect(isDiskError(native)).toBe(true);
  expect(isDiskError(new Error("Invalid range 0..794 for object of size 100 bytes"))).toBe(false);
  expect(diskError("Writing", native)).toMatchObject({ code: "disk", message: "Writing: the disk is full." });
});
