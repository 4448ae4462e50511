import { createMockServer } from "./server.js";

/** `npx tsx web/mock/main.ts`: the mock server by itself. QUIRE_MOCK_PORT, QUIRE_MOCK_PACE and QUIRE_MOCK_KEY change it. */

const port = Number(process.env["QUIRE_MOCK_PORT"] ?? 8787);
const server = createMockServer({
  pace: Number(process.env["QUIRE_MOCK_PACE"] ?? 18),
  key: process.env["QUIRE_MOCK_KEY"],
});
server.listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}/`));
