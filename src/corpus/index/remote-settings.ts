/** Settings of an index on an object store: a table of one row beside the others, written whole, so that all machines see them. */

import { connect } from "@lancedb/lancedb";
import { settingsTableName as tableName } from "./settings-names.js";
import { onTables } from "./store.js";

/** Undefined where there are none. */
export async function readRemoteSettings(address: string): Promise<string | undefined> {
  return onTables("Reading the index", async () => {
    const connection = await connect(address, { readConsistencyInterval: 0 });
    try {
      if (!(await connection.tableNames()).includes(tableName)) return undefined;
      const table = await connection.openTable(tableName);
      const [row] = (await table.query().limit(1).toArray()) as { json: string }[];
      table.close();
      return row?.json;
    } finally {
      connection.close();
    }
  });
}

export async function writeRemoteSettings(address: string, json: string): Promise<void> {
  await onTables("Writing the index", async () => {
    const connection = await connect(address);
    try {
      (await connection.createTable(tableName, [{ json }], { mode: "overwrite" })).close();
    } finally {
      connection.close();
    }
  });
}
