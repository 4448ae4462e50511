// After a build in a clone: makes dist/cli/main.js executable and puts it where `npx quire` looks first, as npm does for packages
// that are installed. Windows gets a small command file instead of a link.
import { chmodSync, existsSync, rmSync, symlinkSync, writeFileSync } from "node:fs";

chmodSync("dist/cli/main.js", 0o755);
if (existsSync("node_modules/.bin")) {
  if (process.platform === "win32") {
    writeFileSync("node_modules/.bin/quire.cmd", '@node "%~dp0..\\..\\dist\\cli\\main.js" %*\r\n');
  } else {
    rmSync("node_modules/.bin/quire", { force: true });
    symlinkSync("../../dist/cli/main.js", "node_modules/.bin/quire");
  }
}
